"""``before_after("before")``: ten questions before chapter 00, ten like them after chapter 09.

Nothing is said before the end. Then it shows, idea by idea, what was known before and what is known now.
The answers stay in the learner's own record.
"""

from collections.abc import Iterator
from typing import Any

from course_lib import progress
from course_lib.answers import quiz_answer
from course_lib.display import Text, show
from course_lib.quiz import LETTERS, Question

IDEAS = (
    "the four beats",
    "shapes",
    "the loss of a guess",
    "shapes that fit by accident",
    "what a gradient says",
    "the step",
    "gradients add up",
    "updates in an epoch",
    "two switches",
    "resuming a run",
)


def _questions(prefix: str, *texts: tuple[str, str, str, str, str]) -> tuple[Question, ...]:
    return tuple(
        Question(f"{prefix}_{number}", text, dict(zip(LETTERS, options, strict=True)))
        for number, (text, *options) in enumerate(texts, start=1)
    )


#: Two for each idea, of the same difficulty.
QUESTIONS = {
    "before": _questions(
        "qbefore",
        (
            "In which order does one iteration of training run?",
            "loss, forward, backward, step",
            "forward, backward, loss, step",
            "forward, loss, backward, step",
            "backward, forward, loss, step",
        ),
        (
            "A batch of shape [16, 50] goes through nn.Linear(50, 20). What comes out?",
            "[16, 20]",
            "[20, 50]",
            "[50, 20]",
            "[16, 50, 20]",
        ),
        (
            "A model gives all of 4 classes the same logit. Its cross-entropy is about",
            "0",
            "0.25",
            "1",
            "1.39",
        ),
        (
            "Predictions have the shape [32, 1], targets [32]. What is their difference?",
            "An error about shapes.",
            "[32, 32]: every prediction meets every target.",
            "[32]: one number for each example.",
            "[32, 1]: one number for each example.",
        ),
        (
            "dL/dw is 6. You raise w by 0.01. The loss",
            "falls by about 0.06",
            "rises by about 6",
            "rises by about 0.06",
            "does not change before the next batch",
        ),
        (
            "A weight is 1.0, its gradient 3.0, the learning rate 0.1. After a step of SGD it is",
            "0.7",
            "1.3",
            "-2.0",
            "0.9",
        ),
        (
            "Two batches have the gradients 1 and 4 for a weight, and nobody calls zero_grad(). After the "
            "second backward() its .grad is",
            "4",
            "2.5",
            "an error",
            "5",
        ),
        (
            "500 examples, batches of 64, the last small batch is kept. Updates in an epoch:",
            "7",
            "8",
            "64",
            "500",
        ),
        (
            "What does model.eval() do?",
            "It switches gradients off.",
            "It makes dropout and batch norm behave as in use.",
            "It freezes the weights.",
            "It computes the accuracy.",
        ),
        (
            "You saved a model's weights alone and resume a run with Adam. Compared with a run that was not "
            "interrupted",
            "nothing differs",
            "loading raises an error",
            "Adam's averages start again, so the next steps differ",
            "the model has forgotten its data",
        ),
    ),
    "after": _questions(
        "qafter",
        (
            "What must have run for a batch before loss.backward() can?",
            "optimizer.step()",
            "The forward pass and the loss.",
            "The forward pass of the next batch.",
            "zero_grad(), twice.",
        ),
        (
            "A batch of shape [8, 30] goes through nn.Linear(30, 12). What comes out?",
            "[12, 30]",
            "[30, 12]",
            "[8, 30, 12]",
            "[8, 12]",
        ),
        (
            "A model gives all of 8 classes the same logit. Its cross-entropy is about",
            "8",
            "2.08",
            "0.125",
            "0",
        ),
        (
            "A tensor of shape [100, 1] minus one of shape [100] has the shape",
            "[100]",
            "[100, 1]",
            "[100, 100]",
            "none: it is an error",
        ),
        (
            "dL/dw is -4. You raise w by 0.01. The loss",
            "falls by about 0.04",
            "rises by about 0.04",
            "falls by about 4",
            "does not change before the next batch",
        ),
        (
            "A weight is 2.0, its gradient -1.0, the learning rate 0.5. After a step of SGD it is",
            "1.5",
            "3.0",
            "2.5",
            "1.0",
        ),
        (
            "Two losses have the gradients 2 and 5 for a weight. You call backward() on one, then on the other. "
            "Its .grad is",
            "7",
            "5",
            "3.5",
            "2",
        ),
        (
            "300 examples, batches of 40, the last small batch is dropped. Updates in an epoch:",
            "8",
            "40",
            "6",
            "7",
        ),
        (
            "Under torch.no_grad(), but in train mode, a model with dropout is called twice on one input. "
            "The outputs",
            "are the same",
            "differ",
            "carry a graph",
            "raise an error",
        ),
        (
            "What does a checkpoint need so that a run goes on as if never interrupted?",
            "The weights.",
            "The weights, and the states of optimizer, scheduler and random generators.",
            "The weights and the last batch.",
            "The weights and the curve of the loss.",
        ),
    ),
}


def before_after(when: Any = "before", letters: Any = "") -> None:
    """Show the ten questions of ``when``, "before" or "after", or keep ``letters``, an answer to each
    ("ABCDABCDAB"; "-" for one that you do not know). The first answers count."""
    if when not in QUESTIONS:
        show(Text('Write before_after("before") or before_after("after").'))
        return
    kept, given = _kept(when), "".join(str(letters).upper().split())
    if not kept and given:
        if len(given) != len(IDEAS) or not set(given) <= {*LETTERS, "-"}:
            show(Text(f"{len(IDEAS)} letters are needed, A, B, C, D or -. You wrote {len(given)}."))
            return
        progress.record_asked(f"gain_{when}", [given])
        kept = given
    if not kept:
        show(Text("\n".join(_asked(when))))
    elif when == "before":
        show(Text('Kept. After chapter 09: before_after("after"). Until then nothing is said.'))
    else:
        show(Text("\n".join(_compared(_kept("before"), kept))))


def right_answers(when: str, letters: str) -> list[bool] | None:
    """Which of the ten are right; None without the answers pack."""
    known = [quiz_answer(question.id) for question in QUESTIONS[when]]
    if None in known:
        return None
    return [letter == each.key for letter, each in zip(letters, known, strict=True)]


def normalised_gain(before: int, after: int, of: int = len(IDEAS)) -> float | None:
    """The part of what was missing before that is known after (Hake 1998); None where nothing was
    missing."""
    return None if before == of else (after - before) / (of - before)


def _kept(when: str) -> str:
    asked = progress.of(f"gain_{when}").asked
    return asked[0] if asked and len(asked[0]) == len(IDEAS) else ""


def _asked(when: str) -> Iterator[str]:
    for number, question in enumerate(QUESTIONS[when], start=1):
        yield f"{number}. {question.text}"
        yield from (f"   {letter}: {text}" for letter, text in question.options.items())
    yield f'Answer all at once, - where you do not know: before_after("{when}", "ABCD-ABCD-")'


def _compared(before: str, after: str) -> Iterator[str]:
    now = right_answers("after", after)
    if now is None:
        yield (
            "Kept. The answers pack is not in use here, so nothing can be compared. To let your instructor "
            'compare: hand_in("09", progress=True)'
        )
        return
    then = right_answers("before", before) if before else None
    mark = {True: "\u2713", False: "\u2717"}
    for place, idea in enumerate(IDEAS):
        was = f"{mark[then[place]]} before, " if then else ""
        yield f"{idea}: {was}{mark[now[place]]} now"
    if then is None:
        yield f"{sum(now)} of {len(now)} are right. You did not answer the questions before chapter 00."
        return
    gain = normalised_gain(sum(then), sum(now))
    share = "" if gain is None else f" Of what you did not know, you learned {gain:.0%}."
    yield f"{sum(then)} of {len(now)} before, {sum(now)} now.{share}"
