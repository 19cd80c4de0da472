"""``count_updates``, secret half."""

import collections
import math

import torch
from torch.utils.data import BatchSampler, SequentialSampler

from course_lib.exercises.checking.model import Case, Observation
from grading.answers import draw
from grading.answers.edit import edit
from grading.answers.model import Answer, Symptom, right_but, wrong

ONE_MORE = "rest > 0 and not drop_last"  # when the smaller last batch counts


def _cases(generator: torch.Generator) -> list[Case]:
    questions: list[tuple[int, int, bool | None]] = []
    for drop_last in (False, True):
        size = draw.size(generator, 7, 59)
        full = draw.size(generator, 3, 39)
        n = full * size
        numbers = (n, n + 1, n + size // 2 - 1, n + size - 1, size - 2, size, 0)
        questions += [(number, size, drop_last) for number in numbers]
        questions.append((full, 1, drop_last))
    questions += [(n + 1, size, None), (1, 1, None)]
    return [{"questions": questions}]


def _by_negation(n_examples, batch_size, drop_last=False):
    return -(-n_examples // batch_size) if not drop_last else n_examples // batch_size


def _by_walking(n_examples, batch_size, drop_last=False):
    count = 0
    while n_examples >= (batch_size if drop_last else 1):
        n_examples -= batch_size
        count += 1
    return count


def _by_range(n_examples, batch_size, drop_last=False):
    starts = range(0, n_examples, batch_size)
    return sum(1 for start in starts if not drop_last or start + batch_size <= n_examples)


def _by_asking_torch(n_examples, batch_size, drop_last=False):
    return len(BatchSampler(SequentialSampler(range(n_examples)), batch_size, drop_last))


def _by_comprehension(n_examples: int, batch_size: int, drop_last: bool = False) -> int:
    sizes = [min(batch_size, n_examples - at) for at in range(0, n_examples, batch_size)]
    return len([size for size in sizes if size == batch_size or not drop_last])


def _with_math(n_examples, batch_size, drop_last=False):
    return {True: math.floor, False: math.ceil}[bool(drop_last)](n_examples / batch_size)


def _matched(n_examples: int, batch_size: int, drop_last: bool = False) -> int:
    match divmod(n_examples, batch_size):
        case full, 0:
            return full
        case full, _ if drop_last:
            return full
        case full, _:
            return full + 1


def _counted_by_batch(n_examples, batch_size, drop_last=False):
    sizes = collections.Counter(i // batch_size for i in range(n_examples))
    return n_examples // batch_size + (
        not drop_last and batch_size > min(sizes.values(), default=batch_size)
    )


def _problem(case: Case, expected: Observation, got: Observation) -> str | None:
    for (n, size, drop_last), right, count in zip(
        case["questions"], expected["numbers"], got["numbers"], strict=True
    ):
        if count != right:
            dropping = "" if drop_last is None else f", with drop_last={drop_last},"
            examples = "1 example" if n == 1 else f"{n} examples"
            verb, updates = "makes" if n == 1 else "make", "update" if right == 1 else "updates"
            yours = "yours gives no number" if count is None else f"yours gives {count:g}"
            return f"{examples} in batches of {size}{dropping} {verb} {right:g} {updates}; {yours}"
    return None


ANSWER = Answer(
    exercise="count_updates",
    cases=_cases,
    compare={"count": _problem},
    variants=(
        _by_negation,
        _by_walking,
        _by_range,
        _by_asking_torch,
        _by_comprehension,
        _with_math,
        _matched,
        _counted_by_batch,
    ),
    misconceptions=(
        wrong(
            "last batch lost",
            edit("return full + 1", "return full"),
            "You count only the full batches. Without drop_last a smaller last batch is trained "
            "on too: one more update when something is left over.",
        ),
        wrong(
            "drop_last ignored",
            edit(ONE_MORE, "rest > 0"),
            "You always count the smaller last batch. With drop_last=True it is left out.",
        ),
        wrong(
            "one update too many when nothing is left over",
            edit(ONE_MORE, "not drop_last"),
            "You add one for a last batch even when the batch size divides the number of examples "
            "and nothing is left over.",
        ),
        wrong(
            "one update always added",
            edit(ONE_MORE, "True"),
            "You add one update whether or not anything is left over. Add it only when n_examples % "
            "batch_size is not 0, and drop_last is False.",
        ),
        wrong(
            "drop_last reversed",
            edit(ONE_MORE, "rest > 0 and drop_last"),
            "drop_last=True leaves the smaller batch out, False keeps it: you have it the other "
            "way round.",
        ),
        wrong(
            "fraction of an update",
            edit("full, rest = divmod(n_examples, batch_size)", "return n_examples / batch_size"),
            "You divide, and get a fraction. There is no quarter of an update: a smaller batch is "
            "a whole update, or none.",
        ),
        wrong(
            "a float instead of an int",
            edit("return count", "return float(count)", _by_walking),
            "The number is right, but it is not an int: NumPy's ceil and the like give floats. Turn it "
            "into one with int(), or use math.ceil.",
        ),
        wrong(
            "rounded instead of rounded up",
            edit(ONE_MORE, "round(rest / batch_size) and not drop_last"),
            "You round to the nearest whole number, so a small last batch gets lost. However "
            "small, it is an update: round up.",
        ),
    ),
    symptoms=(
        Symptom(
            "not an int",
            edit("    return full\n", "    return float(full)\n"),
            "Your numbers are right, but some of them are not ints. Where you divide, // gives an int.",
            right_but("int"),
        ),
        Symptom(
            "one update too many or too few",
            edit("rest > 0", "rest > 1"),
            "Your number is off by one for some inputs. Is there a smaller last batch, and does it count? Try "
            "one example more than fits into full batches, with drop_last and without.",
            lambda wrong, trials: all(
                abs(a - b) <= 1
                for t in trials
                for a, b in zip(t.got["numbers"], t.expected["numbers"], strict=True)
            ),
        ),
        Symptom(
            "not the number of batches",
            edit("return full + 1", "return full + rest"),
            "Your number is far from that of the batches for some inputs. One epoch makes n_examples // "
            "batch_size updates, and one more if a smaller last batch is kept.",
            lambda wrong, trials: None not in [n for t in trials for n in t.got["numbers"]],
        ),
    ),
)
