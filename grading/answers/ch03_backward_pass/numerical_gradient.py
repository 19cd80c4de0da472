"""``numerical_gradient``, secret half. Long: it names many slips in a formula and in what is put back."""

from itertools import product

import torch
from torch.nn import functional as F

from course_lib.exercises.ch03_backward_pass.numerical_gradient import nudge_case
from course_lib.exercises.checking.model import Case
from grading.answers.edit import edit
from grading.answers.model import Answer, wrong

FLAT = "w.detach().flatten()"
BEGIN = "    flat = "
LOOP = "    for i in range(len(flat)):\n"
COPIES = "up, down = flat.clone(), flat.clone()\n"
UP, DOWN = "        up[i] += eps\n", "        down[i] -= eps\n"
DIVIDE = "/ (2 * eps)"
RESULT = "slopes.reshape(w.shape)"


def _cases(generator: torch.Generator) -> list[Case]:
    def case(*shape, **settings):
        drawn = nudge_case(generator, *shape, **settings)
        while "unchanged" in drawn["asks"] and not _arithmetic_rounds(drawn):
            drawn = nudge_case(generator, *shape, **settings)
        return drawn

    return [
        case(12, eps=0.1),
        case(3, 5, eps=None),
        case(2, 7, eps=0.25, returns="float"),
        case(eps=0.3),
        case(3, 2, eps=0.05, transposed=True, returns="float"),
        case(2, 3, 4, eps=None, transposed=True),
        case(5, eps=None, leaf=True),
        case(2, 3, eps=0.2, leaf=True, returns="float"),
    ]


def _arithmetic_rounds(case: Case) -> bool:
    """Whether adding eps, subtracting it twice and adding it again leaves w a little changed; and,
    unless eps is so small that this hardly ever happens, adding and subtracting it once, too."""
    w, eps = case["w"], case["eps"] or 1e-4
    once = case["eps"] is None or not torch.equal(w + eps - eps, w)
    return once and not torch.equal(w + eps - 2 * eps + eps, w)


def _along_basis_vectors(f, w, eps=1e-4):
    with torch.no_grad():
        basis = eps * torch.eye(w.numel(), dtype=w.dtype)
        slopes = [float(f(w + e.view(w.shape)) - f(w - e.view(w.shape))) for e in basis]
    return torch.tensor(slopes, dtype=w.dtype).view(w.shape) / (2 * eps)


def _in_place_and_put_back(f, w, eps=1e-4):
    """Nudges w itself, and puts the saved value back."""
    result = torch.empty_like(w, requires_grad=False)
    with torch.no_grad():
        for place in product(*map(range, w.shape)):
            saved = w[place].item()
            w[place] = saved + eps
            above = f(w)
            w[place] = saved - eps
            below = f(w)
            w[place] = saved
            result[place] = (above - below) / eps / 2
    return result.detach()


def _through_numpy(f, w, eps=1e-4):
    import numpy as np

    values = w.detach().numpy().copy()
    result = np.zeros_like(values)
    for place in np.ndindex(values.shape):
        pair = []
        for sign in (1, -1):
            nudged = values.copy()
            nudged[place] += sign * eps
            pair.append(float(f(torch.from_numpy(np.asarray(nudged)))))
        result[place] = (pair[0] - pair[1]) / (2 * eps)
    return torch.from_numpy(np.asarray(result))


def _recursive(f, w, eps=1e-4):
    """One dimension after another; a 0-dim rest is a single slope."""

    def slopes(place):
        if len(place) == w.dim():
            up, down = w.detach().clone(), w.detach().clone()
            up[place] += eps
            down[place] -= eps
            return torch.as_tensor((f(up) - f(down)) / (2 * eps), dtype=w.dtype)
        return torch.stack([slopes((*place, i)) for i in range(w.shape[len(place)])])

    return slopes(()).detach()


def _by_comprehension(f, w, eps=1e-4):
    flat = w.detach().reshape(-1)

    def at(i: int, distance: float) -> float:
        point = torch.cat([flat[:i], flat[i : i + 1] + distance, flat[i + 1 :]])
        return float(f(point.reshape(w.size())))

    slopes = [(at(i, eps) - at(i, -eps)) / (2 * eps) for i in range(flat.numel())]
    return flat.new_tensor(slopes).reshape(w.shape)


class _Nudger:
    """Each entry is overwritten in one copy, and written back."""

    __name__ = "callable_object"

    def __call__(self, f, w: torch.Tensor, eps: float = 1e-4) -> torch.Tensor:
        copy = w.detach().contiguous().clone()
        entries, slopes = copy.view(-1), torch.empty(copy.numel(), dtype=copy.dtype)
        for i, value in enumerate(entries.tolist()):
            pair = []
            for entries[i] in (value + eps, value - eps):
                pair.append(float(f(copy)))
            entries[i] = value
            slopes[i] = (pair[0] - pair[1]) / (eps + eps)
        return slopes.view_as(copy)


def _from_lists(f, w, eps=1e-4):
    numbers = w.flatten().tolist()

    def at(i, number):
        numbers_there = [*numbers[:i], number, *numbers[i + 1 :]]
        return float(f(torch.tensor(numbers_there, dtype=w.dtype).reshape(w.shape)))

    rises = [at(i, number + eps) - at(i, number - eps) for i, number in enumerate(numbers)]
    return torch.as_tensor(rises, dtype=w.dtype).div(2 * eps).reshape(w.shape)


@torch.no_grad()
def _along_one_hot_vectors(f, w, eps=1e-4):
    slopes = torch.zeros_like(w, memory_format=torch.contiguous_format)
    for i in range(slopes.numel()):
        nudge = F.one_hot(torch.tensor(i), w.numel()).mul(eps).to(w.dtype).reshape(w.shape)
        slopes.view(-1)[i] = (f(w + nudge) - f(w - nudge)) / (2 * eps)
    return slopes


ANSWER = Answer(
    exercise="numerical_gradient",
    cases=_cases,
    equivalent={
        "return slopes.reshape(w.shape) -> return torch.as_tensor(slopes.reshape(w.shape))": (
            "It is a tensor."
        ),
        "return slopes.reshape(w.shape) -> return slopes.reshape(w.shape).detach()": (
            "It has no graph."
        ),
        "w.detach() -> w": "float() takes the numbers out, and slopes never had a graph.",
        "flat -> slopes #2": "Only the length is taken, and both have the same.",
    },
    results=("gradient",),
    variants=(
        _along_basis_vectors,
        _in_place_and_put_back,
        _through_numpy,
        _recursive,
        _by_comprehension,
        _Nudger(),
        _from_lists,
        _along_one_hot_vectors,
    ),
    misconceptions=(
        wrong(
            "forward difference",
            edit(DOWN, "").edit(DIVIDE, "/ eps"),
            "You compare f(w + eps) with f(w): a one-sided difference, whose error shrinks only "
            "like eps. Compare f(w + eps) with f(w - eps): its error shrinks like eps squared.",
        ),
        wrong(
            "backward difference",
            edit(UP, "").edit(DIVIDE, "/ eps"),
            "You compare f(w) with f(w - eps): a one-sided difference, whose error shrinks only "
            "like eps. Compare f(w + eps) with f(w - eps): its error shrinks like eps squared.",
        ),
        wrong(
            "factor 2 missing",
            edit(DIVIDE, "/ eps"),
            "You divide by eps. The two points w + eps and w - eps are 2 * eps apart, so your "
            "slopes are twice as large as they should be.",
        ),
        wrong(
            "one side not nudged",
            edit(UP, ""),
            "f is called at w and at w - eps. These are only eps apart, and you divide by 2 * eps. The "
            "upper point is w + eps.",
        ),
        wrong(
            "one side not nudged",
            edit(DOWN, ""),
            "f is called at w + eps and at w. These are only eps apart, and you divide by 2 * eps. The "
            "lower point is w - eps.",
        ),
        wrong(
            "the same point twice",
            edit("up[i] += eps", "up[i] -= eps"),
            "f is called at the same point twice, so each difference is 0. One point is w + eps, the other "
            "w - eps.",
        ),
        wrong(
            "the same point twice",
            edit("f(up.reshape(w.shape)) - ", "f(down.reshape(w.shape)) - "),
            "f is called at the same point twice, so each difference is 0. One point is w + eps, the other "
            "w - eps.",
        ),
        wrong(
            "an entry set to eps",
            edit("up[i] += eps", "up[i] = eps"),
            "The entry of the upper point becomes eps itself. Add eps to what stands there: +=.",
        ),
        wrong(
            "an entry set to eps",
            edit("down[i] -= eps", "down[i] = eps"),
            "The entry of the lower point becomes eps itself. Subtract eps from what stands there: -=.",
        ),
        wrong(
            "not divided by the distance",
            edit(f" {DIVIDE}", ""),
            "You return differences of f. A slope is the difference divided by the distance between "
            "the two points, 2 * eps.",
        ),
        wrong(
            "not divided by the distance",
            edit(DIVIDE, "/ 2"),
            "You divide the difference by 2. The two points are 2 * eps apart: divide by that.",
        ),
        wrong(
            "multiplied by the distance",
            edit(DIVIDE, "* (2 * eps)"),
            "You multiply by the distance between the two points. A slope is the difference divided by it.",
        ),
        wrong(
            "three times eps",
            edit(DIVIDE, "/ (3 * eps)"),
            "You divide by 3 * eps. The two points w + eps and w - eps are 2 * eps apart.",
        ),
        wrong(
            "values added",
            edit("- f(down", "+ f(down"),
            "You add the two values of f. A slope is their difference divided by the distance.",
        ),
        wrong(
            "one value only",
            edit(" - f(down.reshape(w.shape))", ""),
            "You use the value above and not the one below. A slope is their difference divided by the "
            "distance.",
        ),
        wrong(
            "one value only",
            edit("f(up.reshape(w.shape)) - ", ""),
            "You use the value below and not the one above. A slope is their difference divided by the "
            "distance.",
        ),
        wrong(
            "slopes never measured",
            edit("    return", "    slopes = torch.zeros_like(slopes)\n    return"),
            "All your slopes are 0, although f differs at the two points: the differences never reach the "
            "tensor that you return. Write each slope into its entry.",
        ),
        wrong(
            "another default for eps",
            edit("eps=1e-4", "eps=2e-4"),
            "Without an argument, eps is 1e-4. Yours has a different default.",
        ),
        wrong(
            "multiplied by eps",
            edit(DIVIDE, "/ 2 * eps"),
            "You divide by 2 and multiply by eps, as / 2 * eps does: Python works from left to right. "
            "Write / (2 * eps).",
        ),
        wrong(
            "sign",
            edit("up[i] += eps", "up[i] -= eps").edit("down[i] -= eps", "down[i] += eps"),
            "Your slopes have the wrong sign: subtract the value below from the value above, "
            "f(w + eps) - f(w - eps).",
        ),
        wrong(
            "one copy for both directions",
            edit("up, down = flat.clone(), ", "up = down = "),
            "What you add to an entry you take away again, so f sees w itself twice. Do both names refer "
            "to one copy? Make two, with a clone() for each, and change one of them upwards, the other "
            "downwards.",
        ),
        wrong(
            "copies never renewed",
            edit(f"{LOOP}        {COPIES}", f"    {COPIES}{LOOP}"),
            "Your copies keep the nudges of earlier entries. Start each round of the loop with "
            "fresh copies of w.",
        ),
        wrong(
            "rows nudged as a whole",
            edit(FLAT, "w.detach()"),
            "w[i] is a whole row of a table, and all its entries are nudged together; a tensor "
            "without dimensions has no rows at all. Flatten w, and nudge one entry at a time.",
        ),
        wrong(
            "flat tensor given to f",
            edit("up.reshape(w.shape)", "up").edit("down.reshape(w.shape)", "down"),
            "f expects a tensor of w's shape, but you pass it the flat one. Reshape the nudged "
            "copy before you call f.",
        ),
        wrong(
            "view for reshape",
            edit(FLAT, "w.detach().view(-1)"),
            "view(-1) fails for a tensor whose rows do not lie one after another in memory, such "
            "as a transposed one. flatten() and reshape work for any tensor.",
            recognise=lambda case, got: (
                got.error is not None and "view size is not compatible" in got.error.message
                if case["transposed"]
                else got.error is None and got["drift"] == 0
            ),
        ),
        wrong(
            "returned inside the loop",
            edit("    return", "        return"),
            "Only the first entry has a slope: something inside the loop ends it, such as a "
            "`return`. That belongs after the loop.",
        ),
        wrong(
            "a view kept for the old value",
            edit("w[place].item()", "w[place]", of=_in_place_and_put_back),
            "w[place] is a view: it shows whatever stands there now, so the value that you keep for "
            "later changes with the nudge. Keep the number, w[place].item(), or a clone.",
        ),
        wrong(
            "list returned",
            edit(RESULT, f"{RESULT}.tolist()"),
            "You return a list of numbers. Turn it into a tensor with w's shape and dtype.",
        ),
        wrong(
            "result in float32",
            edit("torch.zeros_like(flat)", "torch.zeros(len(flat))"),
            "Your result is float32, because that is what torch.zeros makes by default. Give it "
            "w's dtype: torch.zeros_like(...), or dtype=w.dtype.",
        ),
        wrong(
            "all entries nudged at once",
            edit("up[i]", "up").edit("down[i]", "down"),
            "You nudge every entry of w at the same time, which measures one slope: the sum of "
            "them all. The gradient has one slope per entry, so nudge one entry at a time.",
        ),
        wrong(
            "eps ignored",
            edit(BEGIN, f"    eps = 1e-4\n{BEGIN}"),
            "Your step is always 1e-4, whatever eps is given. Nudge by eps.",
        ),
        wrong(
            "nudged by half of eps",
            edit(BEGIN, f"    eps = eps / 2\n{BEGIN}"),
            "Your two points are eps apart. The exercise nudges by eps in each direction, so they "
            "should be 2 * eps apart.",
        ),
        wrong(
            "result flattened",
            edit(RESULT, "slopes"),
            "Your slopes are right but lie in one long row. Give the result w's shape, so that "
            "each slope is where its entry is.",
        ),
        wrong(
            "graph kept in the result",
            edit("w.detach()", "w").edit("float(", "("),
            "When w requires gradients, your result carries a graph with it. A gradient is a plain "
            "number: work on w.detach() or under torch.no_grad().",
        ),
        wrong(
            "w left changed",
            edit("            w[place] = saved\n", "", of=_in_place_and_put_back),
            "Afterwards the caller's w holds other numbers: you write into w itself, or into a view of it, "
            "and do not undo it. Work on a copy.",
            recognise=lambda case, got: "unchanged" not in case["asks"] or got["drift"] > 1e-9,
        ),
        wrong(
            "w left changed",
            edit("w[place] = saved + eps", "w[place] += eps", of=_in_place_and_put_back)
            .edit("w[place] = saved - eps", "w[place] -= 2 * eps")
            .edit("w[place] = saved\n", "w[place] += eps\n"),
            "You add eps, subtract 2 * eps and add eps again. Rounding makes that a slightly "
            "different number: nudge a copy, or put the saved value back.",
            recognise=lambda case, got: "unchanged" not in case["asks"] or 0 < got["drift"] <= 1e-9,
        ),
    ),
)
