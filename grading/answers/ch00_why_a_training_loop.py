"""Chapter 00, secret half: cases, misconceptions, right variants and the quiz's key."""

import itertools
import math

import numpy as np
import torch

from course_lib.exercises import ch00_why_a_training_loop as public
from course_lib.exercises.checking.model import Case, Observation
from course_lib.exercises.checking.wire import type_name
from grading.answers.model import Answer, Misconception, QuizKey

# --- order_the_beats ----------------------------------------------------------------------------


def _by_letter():
    return [{"F": "forward", "L": "loss", "B": "backward", "S": "step"}[c] for c in "FLBS"]


def _split():
    return ["forward", "loss", "backward", "step"]


def _sorted_by_place():
    places = {"step": 3, "forward": 0, "backward": 2, "loss": 1}
    return sorted(places, key=places.get)


def _without_quotes():
    return [forward, loss, backward, step]  # noqa: F821


def _zero_for_none(losses, factor=3.0):
    return _find(_right)(losses, factor) or 0


def _false_for_none(losses, factor=3.0):
    step = _find(_right)(losses, factor)
    return False if step is None else step


def _all_bad_steps(losses, factor=3.0):
    return [i for i in range(len(losses)) if _right(losses, i, factor)]


def _is_spelt_otherwise(case: Case, got: Observation) -> bool:
    words = got.get("returned")
    if got.error is not None or not isinstance(words, list) or len(words) != 4:
        return False
    plain = [str(word).strip().lower().removesuffix("()").removesuffix(" pass") for word in words]
    return sorted(plain) == ["backward", "forward", "loss", "step"] and sorted(
        map(str, words)
    ) != sorted(plain)


ORDER_THE_BEATS = Answer(
    exercise="order_the_beats",
    cases=lambda generator: [{}],
    variants=(_by_letter, _split, _sorted_by_place),
    misconceptions=(
        Misconception(
            "loss before forward",
            lambda: ["loss", "forward", "backward", "step"],
            "You judge before you predict: the loss needs the predictions of the forward pass.",
        ),
        Misconception(
            "backward before loss",
            lambda: ["forward", "backward", "loss", "step"],
            "backward starts from the loss, so the loss has to come first.",
        ),
        Misconception(
            "step before backward",
            lambda: ["forward", "loss", "step", "backward"],
            "step moves by the directions that backward finds, so backward has to come first.",
        ),
        Misconception(
            "zero_grad counted as a beat",
            lambda: ["forward", "loss", "zero_grad", "backward", "step"],
            "zero_grad is a chore between two turns of the loop. There are four beats.",
            recognise=lambda case, got: (
                isinstance(got.get("returned"), list) and "zero_grad" in got["returned"]
            ),
        ),
        Misconception(
            "step first",
            lambda: ["step", "forward", "loss", "backward"],
            "step moves by the directions that backward has found for this batch. At the start of "
            "a turn there are none, so step comes last.",
        ),
        Misconception(
            "alphabetical order",
            lambda: ["backward", "forward", "loss", "step"],
            "These are the names as the exercise lists them, in alphabetical order. Put them into "
            "the order in which a turn of the loop runs: predict, judge, find the directions, move.",
        ),
        Misconception(
            "order reversed",
            lambda: ["step", "backward", "loss", "forward"],
            "This is the loop from its end to its start. A turn begins with a prediction: forward.",
        ),
        Misconception(
            "names spelt otherwise",
            lambda: ["Forward", "Loss", "Backward", "Step"],
            'The words are right, their spelling is not: "forward", "loss", "backward" and "step", '
            "in small letters and without parentheses.",
            recognise=_is_spelt_otherwise,
        ),
        Misconception(
            "names without quotes",
            _without_quotes,
            "Without quotes Python takes forward for a variable, and finds none. A string has quotes: "
            '"forward".',
            recognise=lambda case, got: (
                got.error is not None
                and got.error.type == "NameError"
                and got.error.message.startswith(
                    tuple(f"name '{beat}'" for beat in ("forward", "loss", "backward", "step"))
                )
            ),
        ),
        Misconception(
            "another collection instead of a list",
            lambda: ("forward", "loss", "backward", "step"),
            "You return a tuple, a set or a dict. Return a list, in square brackets; a set would not "
            "even keep the order.",
            recognise=lambda case, got: (
                got.error is None
                and isinstance(got.get("returned"), tuple | set | frozenset | dict)
            ),
        ),
        Misconception(
            "a list inside a list",
            lambda: [["forward", "loss", "backward", "step"]],
            "Your list has one entry that holds everything. Return a list of four strings.",
            recognise=lambda case, got: (
                got.error is None
                and isinstance(got.get("returned"), list)
                and len(got["returned"]) == 1
            ),
        ),
        Misconception(
            "loss at the end",
            lambda: ["forward", "backward", "step", "loss"],
            "You judge at the end, but backward starts from the loss: it comes right after forward.",
        ),
        Misconception(
            "forward at the end",
            lambda: ["loss", "backward", "step", "forward"],
            "You predict at the end. The loss needs predictions to judge: a turn begins with forward.",
        ),
        Misconception(
            "one string instead of a list",
            lambda: "forward, loss, backward, step",
            'You return one string. Return a list of four: ["...", "...", "...", "..."].',
            recognise=lambda case, got: got.error is None and isinstance(got.get("returned"), str),
        ),
        Misconception(
            "printed instead of returned",
            lambda: print(["forward", "loss", "backward", "step"]),
            "Your function returns nothing. print shows a value to you; return hands it to whoever "
            "called the function.",
        ),
    ),
)

# --- first_bad_step -----------------------------------------------------------------------------


def _first_bad_cases(generator: torch.Generator) -> list[Case]:
    def uniform(low: float, high: float) -> float:
        return low + (high - low) * torch.rand((), generator=generator, dtype=torch.float64).item()

    def falling(n: int) -> list[float]:
        """Never more than 1.4 times its smallest value so far."""
        return [2.5 * 0.9**i * uniform(0.9, 1.1) for i in range(n)]

    case = public.losses_case
    leap = falling(9)
    leap += [min(leap) * 3.3, min(leap) * 9, min(leap) * 30]  # only the first one counts
    creeping = [1.0 * 1.25**i * uniform(0.99, 1.01) for i in range(12)]  # no single leap
    early = [1.0, uniform(4.0, 5.0), uniform(0.2, 0.3), uniform(0.8, 0.85)]
    small_leap, large_leap = falling(6), falling(5)
    small_leap += [min(small_leap) * uniform(2.2, 2.6), *falling(4)]
    large_leap += [min(large_leap) * uniform(3.4, 3.8), min(large_leap) * 1.5]
    # Falls by more than the factor: good steps, whatever comes later.
    steep = [uniform(40.0, 50.0), uniform(20.0, 30.0), uniform(4.0, 5.0), uniform(0.5, 0.9)]
    hidden = falling(7)
    nan_first = [*hidden[:4], math.nan, hidden[4], min(hidden[:5]) * 3.5]
    # Powers of two: exactly the factor, to the last bit, however it is computed.
    low = 2.0 ** int(uniform(-3, 3))
    at_the_factor = [2 * low, low, 2 * low, 4 * low, low, 4.5 * low]
    return [
        case(leap),
        case(creeping),
        case(early),
        case(small_leap, factor=uniform(1.8, 2.0)),
        case(large_leap, factor=uniform(4.5, 5.0)),
        case(falling(10)),
        case([uniform(1, 2)]),
        case(steep),
        case(nan_first),
        case([*falling(5), math.inf]),
        case([math.nan, *falling(4)]),
        case([math.inf, *falling(6)]),
        case(at_the_factor, factor=4.0, at_the_factor=True),
        case([*falling(4), math.nan, *(3 * loss for loss in falling(3)), 40.0]),
        case([*falling(8), math.nan, math.nan], factor=2.0),
    ]


def _find(bad, *, last=False):
    """A search with one mistake or none: ``bad(losses, i, factor)`` decides about step i."""

    def first_bad_step(losses, factor=3.0):
        steps = [i for i in range(len(losses)) if bad(losses, i, factor)]
        if not steps:
            return None
        return steps[-1] if last else steps[0]

    return first_bad_step


def _smallest_before(losses, i):
    return min((loss for loss in losses[:i] if math.isfinite(loss)), default=math.inf)


def _right(losses, i, factor):
    return not math.isfinite(losses[i]) or losses[i] > factor * _smallest_before(losses, i)


def _leap_only(losses, i, factor):
    return losses[i] > factor * _smallest_before(losses, i)


def _against_previous(losses, i, factor):
    return not math.isfinite(losses[i]) or (i > 0 and losses[i] > factor * losses[i - 1])


def _against_first(losses, i, factor):
    return not math.isfinite(losses[i]) or losses[i] > factor * losses[0]


def _counted_from_one(losses, factor=3.0):
    step = _find(_right)(losses, factor)
    return None if step is None else step + 1


def _at_least(losses, i, factor):
    return not math.isfinite(losses[i]) or losses[i] >= factor * _smallest_before(losses, i)


def _only_isnan(losses, i, factor):
    smallest = min(losses[:i], default=math.inf)
    return math.isnan(losses[i]) or losses[i] > factor * smallest


def _only_isinf(losses, i, factor):
    return math.isinf(losses[i]) or losses[i] > factor * _smallest_before(losses, i)


def _minimum_of_nothing(losses, i, factor):
    return not math.isfinite(losses[i]) or losses[i] > factor * min(losses[:i])


def _smallest_starts_at_0(losses, factor=3.0):
    smallest = 0.0
    for step, loss in enumerate(losses):
        if not math.isfinite(loss) or loss > factor * smallest:
            return step
        smallest = min(smallest, loss)
    return None


def _against_largest(losses, i, factor):
    return not math.isfinite(losses[i]) or (i > 0 and losses[i] > factor * max(losses[:i]))


def _against_mean(losses, i, factor):
    return not math.isfinite(losses[i]) or (i > 0 and losses[i] > factor * sum(losses[:i]) / i)


def _against_whole_run(losses, i, factor):
    return not math.isfinite(losses[i]) or losses[i] > factor * min(losses)


def _against_whole_run_from_step_1(losses, i, factor):
    smallest = min(loss for loss in losses if not math.isnan(loss))
    return not math.isfinite(losses[i]) or (i > 0 and losses[i] > factor * smallest)


def _empties_the_list(losses, factor=3.0):
    step = _find(_right)(losses, factor)
    del losses[: len(losses) if step is None else step + 1]
    return step


def _without_step_0(losses, i, factor):
    return i > 0 and _right(losses, i, factor)


def _leaps_first(losses, factor=3.0):
    leap = _find(_leap_only)(losses, factor)
    return _find(_right)(losses, factor) if leap is None else leap


def _gives_up_at_once(losses, factor=3.0):
    smallest = math.inf
    for step, loss in enumerate(losses):
        if _right(losses, step, factor):
            return step
        smallest = min(smallest, loss)
        return None


def _minus_one(losses, factor=3.0):
    step = _find(_right)(losses, factor)
    return -1 if step is None else step


def _loss_itself(losses, factor=3.0):
    step = _find(_right)(losses, factor)
    return None if step is None else losses[step]


def _is_another_number(case: Case, got: Observation) -> bool:
    """The right step, but as a float or as a number of NumPy's or PyTorch's."""
    step = _find(_right)(case["losses"], case["factor"] or 3.0)
    returned = next(iter(got.values.values()), None)
    if got.error is not None or step is None:
        return got.error is None and returned is None
    return type_name(returned) in ("float", "Tensor") or type_name(returned).startswith("numpy.")


def _changes_the_list(case: Case, got: Observation) -> bool:
    """The right steps, from a list that is another one afterwards."""
    step = _find(_right)(case["losses"], case["factor"] or 3.0)
    found = [value for name, value in got.values.items() if name.startswith("step_")]
    return got.error is None and found == [step] and got.get("losses_left_alone") is False


def _numpy_number(losses, factor=3.0):
    step = _find(_right)(losses, factor)
    return None if step is None else np.int64(step)


def _default_factor(losses, factor=3.0):
    return _find(_right)(losses, 3.0)


def _one_pass(losses, factor=3.0):
    smallest = math.inf
    for step, loss in enumerate(losses):
        if not math.isfinite(loss) or loss > factor * smallest:
            return step
        smallest = min(smallest, loss)
    return None


def _with_accumulate(losses, factor=3.0):
    if not math.isfinite(losses[0]):
        return 0
    finite = [loss if math.isfinite(loss) else math.inf for loss in losses]
    so_far = itertools.accumulate(finite, min)
    pairs = zip(so_far, losses[1:], strict=False)
    bad = (i for i, (low, now) in enumerate(pairs, 1) if not now <= factor * low or now == math.inf)
    return next(bad, None)


def _with_tensor(losses, factor=3.0):
    values = torch.tensor(losses, dtype=torch.float64)
    for i in range(len(values)):
        if not torch.isfinite(values[i]):
            return i
        if i and values[i] > factor * values[:i].min():
            return int(i)


FIRST_BAD_STEP = Answer(
    exercise="first_bad_step",
    cases=_first_bad_cases,
    variants=(_one_pass, _with_accumulate, _with_tensor),
    misconceptions=(
        Misconception(
            "NaN ignored",
            _find(_leap_only),
            "Every comparison with NaN is False, so your test lets NaN pass. Ask "
            "math.isfinite(loss) first.",
        ),
        Misconception(
            "NaN ignored",
            _find(_only_isinf),
            "You ask for infinity, and NaN passes: every comparison with NaN is False. "
            "math.isfinite(loss) is False for both.",
        ),
        Misconception(
            "smallest starts at 0",
            _smallest_starts_at_0,
            "Your smallest loss is 0 before the first step, and every loss is more than factor "
            "times 0. Start with something larger than any loss: math.inf.",
        ),
        Misconception(
            "smallest of nothing",
            _find(_minimum_of_nothing),
            "Before step 0 there is no loss, and min() of an empty list raises a ValueError. Start "
            "with math.inf as the smallest loss, or treat step 0 apart.",
        ),
        Misconception(
            "last instead of first",
            _find(_right, last=True),
            "You return the last bad step. The first one is where the trouble began: return as "
            "soon as you find it.",
        ),
        Misconception(
            "compared with the previous loss only",
            _find(_against_previous),
            "You compare with the loss just before. A loss can climb in small steps, or fall after "
            "a leap: compare with the smallest loss of all earlier steps.",
        ),
        Misconception(
            "compared with the first loss only",
            _find(_against_first),
            "You compare with the loss of step 0. By then the loss may have fallen far below it: "
            "compare with the smallest loss of all earlier steps.",
        ),
        Misconception(
            "counted from one",
            _counted_from_one,
            "Your steps start at 1. Here, as in Python, the first step is step 0.",
        ),
        Misconception(
            "factor ignored",
            _default_factor,
            "Your function always uses 3.0. Use the argument factor.",
        ),
        Misconception(
            "infinity not asked for",
            _find(_only_isnan),
            "You ask for NaN, and not for infinity: at step 0 there is nothing smaller to compare "
            "an infinite loss with. math.isfinite(loss) is False for both.",
        ),
        Misconception(
            "the factor itself counts",
            _find(_at_least),
            "A loss of exactly factor times the smallest one is not bad yet: it must be larger.",
        ),
        Misconception(
            "compared with the largest loss so far",
            _find(_against_largest),
            "You compare with the largest loss so far, so a leap after a long fall is missed. "
            "Remember the smallest one.",
        ),
        Misconception(
            "compared with the mean so far",
            _find(_against_mean),
            "You compare with the mean of the losses so far, which the high first losses hold up. "
            "Compare with the smallest loss of all earlier steps.",
        ),
        Misconception(
            "compared with the smallest of the whole run",
            _find(_against_whole_run),
            "You compare with the smallest loss of the whole run, later steps included. While a "
            "run is going on nobody knows those: use the steps before this one.",
        ),
        Misconception(
            "compared with the smallest of the whole run",
            _find(_against_whole_run_from_step_1),
            "You compare with the smallest loss of the whole run, later steps included, so a run "
            "that falls fast looks bad. Use the steps before this one only.",
        ),
        Misconception(
            "the list of losses changed",
            _empties_the_list,
            "Your function takes entries out of the list, or writes into it. The list belongs to "
            "whoever called you: read it, with enumerate(losses), and leave it as it is.",
            recognise=_changes_the_list,
        ),
        Misconception(
            "step 0 never looked at",
            _find(_without_step_0),
            "You begin at step 1. Step 0 is bad too when its loss is not finite.",
        ),
        Misconception(
            "leaps before NaN",
            _leaps_first,
            "You search for leaps first, and for NaN and infinity only when there is none. Ask "
            "both questions at each step: the first bad step counts, whatever its kind.",
        ),
        Misconception(
            "None inside the loop",
            _gives_up_at_once,
            "`return None` stands inside the loop, so you stop after the first step. It belongs "
            "behind the loop, when all steps have been looked at.",
        ),
        Misconception(
            "-1 for None",
            _minus_one,
            "When no step is bad, return None. In Python -1 is the last element of a list, and "
            "whoever uses your result would look there.",
        ),
        Misconception(
            "0 for None",
            _zero_for_none,
            "When no step is bad you return 0, which is the number of the first step. Return None.",
        ),
        Misconception(
            "False for None",
            _false_for_none,
            "When no step is bad you return False. Return None: nothing was found.",
        ),
        Misconception(
            "all bad steps",
            _all_bad_steps,
            "You return a list of all bad steps. Only the first is asked for, as an int: return it as "
            "soon as you have found it.",
        ),
        Misconception(
            "loss instead of step",
            _loss_itself,
            "You return the bad loss. The number of its step is asked for: enumerate(losses) gives "
            "both.",
        ),
        Misconception(
            "another kind of number",
            _numpy_number,
            "The step is right, but it is no Python int. int(...) makes one of a NumPy number or of "
            "a tensor.",
            recognise=_is_another_number,
        ),
    ),
)

ANSWERS = (ORDER_THE_BEATS, FIRST_BAD_STEP)

# --- quiz ---------------------------------------------------------------------------------------


def _prove_order() -> str:
    """Only one of the four orders runs and changes the weights in its first turn."""
    orders = {"A": "LFBS", "B": "FBLS", "C": "FLSB", "D": "FLBS"}
    works = []
    for letter, order in orders.items():
        model = torch.nn.Linear(2, 1)
        optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
        x, y = torch.ones(3, 2), torch.full((3, 1), 9.0)
        before = model.weight.detach().clone()
        known: dict[str, torch.Tensor] = {}
        try:
            for beat in order:
                if beat == "F":
                    known["predictions"] = model(x)
                elif beat == "L":
                    known["loss"] = (known["predictions"] - y).square().mean()
                elif beat == "B":
                    known["loss"].backward()
                else:
                    optimizer.step()
        except KeyError:
            continue
        if not torch.equal(before, model.weight):
            works.append(letter)
    return "".join(works)


def _prove_clipping() -> str:
    from course_lib.simulations.run_gone_wrong import BAD_STEP, RunGoneWrong

    state = RunGoneWrong().compute({"step": BAD_STEP, "lr": 0.3, "clip": True})
    losses = state.run.losses
    usual = losses[BAD_STEP - 7 : BAD_STEP].mean()
    leaps = losses[BAD_STEP] > 20 * usual
    recovers = losses[BAD_STEP + 1 :].max() < 1.5 * usual
    if leaps and recovers:
        return "A"
    return "B" if not leaps else ""


QUIZ = (
    QuizKey(
        "q00_1",
        "D",
        {
            "A": "The loss has no predictions to judge yet.",
            "B": "backward starts from the loss, which does not exist yet.",
            "C": "It moves before any direction for this batch is known.",
            "D": "Predict, judge, find the directions, move.",
        },
        _prove_order,
    ),
    QuizKey(
        "q00_2",
        "C",
        {
            "A": "A loop prevents nothing; it lets you look.",
            "B": "Nothing is repaired unless you write it, clipping for example.",
            "C": "Every intermediate value is yours to read.",
            "D": "An explicit loop is not about speed.",
        },
    ),
    QuizKey(
        "q00_3",
        "A",
        {
            "A": "The weights moved only a little, so the next batch finds them almost unharmed.",
            "B": "The loss at step 47 is computed before any gradient is clipped: it leaps.",
            "C": "Clipping shortens the gradient and keeps its direction; it does not erase it.",
            "D": "Clipping never stops a training.",
        },
        _prove_clipping,
    ),
)
