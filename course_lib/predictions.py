"""``predict("p05_1", "stands still")`` before a cell, ``outcome("p05_1", ...)`` after it.

A prediction is committed once and kept in the learner's own record; the outcome is computed by the run,
stands beside it in one line and is never a mark. Neither raises, whatever was written.
"""

import re
from collections.abc import Iterable, Iterator
from typing import Any

from course_lib import progress
from course_lib.display import write

_NUMBER = re.compile(r"[-+]?(?:\d+(?:\.\d*)?|\.\d+)(?:e[-+]?\d+)?%?", re.IGNORECASE)
_OPTIONS = " / "


def predict(id: str, expected: Any = "", how: str = "") -> None:
    """Commit to what you expect. ``how`` says what kind of answer fits, or gives the choices ("the loss:
    rises / falls"); of a choice its beginning is enough. The first prediction counts."""
    record, text = progress.of(id), _in_words(expected).strip()[:200]
    choices = choices_in(how)
    chosen = _chosen(text, choices) if choices else text
    if record.prediction:
        if text and chosen != record.prediction:
            write(f'\u2713 {id}: your first prediction counts: "{record.prediction}".')
        else:
            write(_committed(id, record.prediction))
    elif not text:
        kind = f" ({how})" if how else ""
        write(f"\u25cb {id}: what do you expect?{kind} Write it between the first quotes.")
    elif not chosen:
        write(f'\u2717 {id}: "{text:.40}" is not one of the choices: {how}.')
    else:
        progress.record_prediction(id, chosen)
        late = record.outcome is not None
        write(f"\u2713 {id}: noted, but you have seen it." if late else _committed(id, chosen))


def outcome(id: str, *came: Any, within: float = 0.0) -> None:
    """Say beside the prediction ``id`` what the run gave: a word, or one number or more.

    Numbers came true when all of them differ by at most ``within``, or by half of the last digit that the
    prediction has. ``came`` may also be lists of numbers.
    """
    values = list(_flat(came))
    text = ", ".join(map(_in_words, values))
    record = progress.of(id)
    made = record.prediction
    true = bool(made) and _came_true(made, values, within)
    if record.outcome is None:
        progress.record_outcome(id, true=true)
    if not made:
        write(f"  {id}: it was: {text}. (You made no prediction.)")
    else:
        word = "As you expected." if true else "A surprise."
        write(f'  {id}: you expected "{made}"; it was: {text}. {word}')


def missing(ids: Iterable[str]) -> list[str]:
    """Those of the predictions that were not made yet."""
    return [id for id in ids if not progress.of(id).prediction]


def choices_in(how: str) -> list[str]:
    """The choices of a prediction, ``["rises", "falls"]`` of "the loss: rises / falls"; none where it is
    a number or a word."""
    return how.rpartition(": ")[2].split(_OPTIONS) if _OPTIONS in how else []


def _committed(id: str, text: str) -> str:
    return f'\u2713 {id}: you expect "{text}". Now run on and compare.'


def _chosen(text: str, choices: list[str]) -> str:
    """The choice that ``text`` means: itself, its beginning, or itself and more ("yes, it does"); ""
    when it is none, or not one alone."""
    plain = _plain(text)
    equal = [choice for choice in choices if _plain(choice) == plain]
    begun = [choice for choice in choices if plain and _plain(choice).startswith(plain)]
    more = [choice for choice in choices if plain.startswith(f"{_plain(choice)} ")]
    found = equal or begun or sorted(more, key=len)[-1:]
    return found[0] if len(found) == 1 else ""


def _plain(text: str) -> str:
    text = re.sub(r"(?<=\d) ?[x\u00d7*] ?(?=\d)", " ", text.casefold())  # 784x128 is [784, 128]
    return re.sub(r"[^\w%+.-]+", " ", text).strip(" .")


def _came_true(made: str, values: list[Any], within: float) -> bool:
    words = [each for each in values if isinstance(each, str | bool)]
    if words:
        return _plain(made) == _plain(", ".join(map(_in_words, values)))
    numbers = list(_numbers(made))
    return len(numbers) == len(values) and all(
        abs(guess - float(value)) <= max(within, rounding) * (1 + 1e-9)
        for (guess, rounding), value in zip(numbers, values, strict=True)
    )


def _numbers(text: str) -> Iterator[tuple[float, float]]:
    """The numbers in a prediction, each with half of its last digit's place where it has decimals."""
    text = re.sub(r"(?<=\d),(?=\d{3}\b)", "", text)
    for found in _NUMBER.findall(text):
        digits = found.rstrip("%")
        scale = 0.01 if found.endswith("%") else 1.0
        decimals = len(digits.lower().partition("e")[0].partition(".")[2])
        yield float(digits) * scale, 0.5 * 10.0**-decimals * scale if decimals else 0.0


def _flat(values: Iterable[Any]) -> Iterator[Any]:
    for value in values:
        if hasattr(value, "tolist"):
            value = value.tolist()
        if isinstance(value, list | tuple):
            yield from _flat(value)
        else:
            yield value


def _in_words(value: Any) -> str:
    if isinstance(value, list | tuple):
        return ", ".join(map(_in_words, value))
    return f"{value:.4g}" if isinstance(value, float) else str(value)
