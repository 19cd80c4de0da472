"""``order_the_beats``, secret half."""

from enum import StrEnum

from course_lib.exercises.ch00_why_a_training_loop.order_the_beats import BEATS, beats_cases
from course_lib.exercises.checking.model import Case, Observation
from grading.answers.edit import edit
from grading.answers.model import Answer, wrong

LIST = '["forward", "loss", "backward", "step"]'


def _is_spelt_otherwise(case: Case, got: Observation) -> bool:
    plain = got.get("plain", [])
    return got.error is None and sorted(plain) == sorted(BEATS) and plain != got["returned"]


def _takes_a_beat_for_a_variable(case: Case, got: Observation) -> bool:
    if got.error is None or got.error.type != "NameError":
        return False
    return got.error.message.startswith(tuple(f"name '{beat}'" for beat in BEATS))


def _returns(*kinds: type):
    """Recognises a result of one of these types."""
    return lambda case, got: got.error is None and isinstance(got.get("returned"), kinds)


def _by_letter():
    return [{"F": "forward", "L": "loss", "B": "backward", "S": "step"}[c] for c in "FLBS"]


def _split():
    return ["forward", "loss", "backward", "step"]


def _sorted_by_place():
    places = {"step": 3, "forward": 0, "backward": 2, "loss": 1}
    return sorted(places, key=places.get)


def _from_a_generator() -> list[str]:
    def beats():
        yield "forward"
        yield from ("loss", "backward")
        yield "step"

    return [*beats()]


def _from_annotations():
    class Beats:
        forward: int
        loss: int
        backward: int
        step: int

    return list(Beats.__annotations__)


class _Beat(StrEnum):
    FORWARD, LOSS, BACKWARD, STEP = "forward", "loss", "backward", "step"


def _members_of_an_enum():
    return list(_Beat)


def _along_a_chain():
    follows = {"forward": "loss", "backward": "step", "loss": "backward"}
    order = ["forward"]
    while beat := follows.get(order[-1]):
        order.append(beat)
    return order


ANSWER = Answer(
    exercise="order_the_beats",
    cases=lambda generator: beats_cases(),
    equivalent={
        "return ['forward', 'loss', 'backward', 'step'] -> "
        "return list(['forward', 'loss', 'backward', 'step'])": "It is a list.",
    },
    variants=(
        _by_letter,
        _split,
        _sorted_by_place,
        _from_a_generator,
        _from_annotations,
        _members_of_an_enum,
        _along_a_chain,
    ),
    misconceptions=(
        wrong(
            "loss before forward",
            edit('"forward", "loss"', '"loss", "forward"'),
            "You judge before you predict: the loss needs the predictions of the forward pass.",
        ),
        wrong(
            "backward before loss",
            edit('"loss", "backward"', '"backward", "loss"'),
            "backward starts from the loss, so the loss has to come first.",
        ),
        wrong(
            "step before backward",
            edit('"backward", "step"', '"step", "backward"'),
            "step moves in the directions that backward finds, so backward has to come first.",
        ),
        wrong(
            "zero_grad counted as a beat",
            edit('"backward"', '"zero_grad", "backward"'),
            "zero_grad is a chore between two turns of the loop. There are four beats.",
            recognise=lambda case, got: (
                isinstance(got.get("returned"), list) and "zero_grad" in got["returned"]
            ),
        ),
        wrong(
            "step first",
            edit(LIST, '["step", "forward", "loss", "backward"]'),
            "step moves in the directions that backward has found for this batch. At the start of "
            "a turn there are none, so step comes last.",
        ),
        wrong(
            "alphabetical order",
            edit(LIST, '["backward", "forward", "loss", "step"]'),
            "These are the names as the exercise lists them, in alphabetical order. Put them in "
            "the order in which a turn of the loop runs: predict, judge, find the directions, "
            "move.",
        ),
        wrong(
            "order reversed",
            edit(LIST, f"{LIST}[::-1]"),
            "This is the loop in reverse. A turn begins with a prediction: forward.",
        ),
        wrong(
            "names spelt otherwise",
            edit(LIST, LIST.title()),
            'The words are right, but their spelling is not: "forward", "loss", "backward" and '
            '"step", in lowercase and without parentheses.',
            recognise=_is_spelt_otherwise,
        ),
        wrong(
            "names without quotes",
            edit(LIST, LIST.replace('"', "")),
            "Without quotes, Python takes forward for a variable and finds none. A string needs "
            'quotes: "forward".',
            recognise=_takes_a_beat_for_a_variable,
        ),
        wrong(
            "another collection instead of a list",
            edit(LIST, f"tuple({LIST})"),
            "You return a tuple, a set or a dict. Return a list, in square brackets; a set would not "
            "even keep the order.",
            recognise=_returns(tuple, set, frozenset, dict),
        ),
        wrong(
            "a list inside a list",
            edit(LIST, f"[{LIST}]"),
            "Your list has one entry that holds everything. Return a list of four strings.",
            recognise=lambda case, got: _returns(list)(case, got) and len(got["returned"]) == 1,
        ),
        wrong(
            "loss at the end",
            edit(LIST, '["forward", "backward", "step", "loss"]'),
            "You judge at the end, but backward starts from the loss: it comes right after forward.",
        ),
        wrong(
            "forward at the end",
            edit(LIST, '["loss", "backward", "step", "forward"]'),
            "You predict at the end. The loss needs predictions to judge: a turn begins with forward.",
        ),
        wrong(
            "one string instead of a list",
            edit(LIST, f"', '.join({LIST})"),
            'You return one string. Return a list of four: ["...", "...", "...", "..."].',
            recognise=_returns(str),
        ),
        wrong(
            "printed instead of returned",
            edit(f"return {LIST}", f"print({LIST})"),
            "Your function returns nothing. print shows a value to you; return hands it to whoever "
            "called the function.",
        ),
    ),
)
