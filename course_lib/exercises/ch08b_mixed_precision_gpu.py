"""Chapter 08b, public half: the exercises' checks and drivers, and the quiz's questions.

Everything runs on the CPU; a case's ``device`` may name a GPU, which the tests use where one is.
"""

import math
from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor, nn

from course_lib.exercises.checking.model import Aspect, Case, Exercise, Finding, Notes, Observation
from course_lib.exercises.checking.wire import type_name
from course_lib.exercises.support.loop_watch import parameters_of
from course_lib.exercises.support.small_network import draw_weights, small_network
from course_lib.quiz import Question

DTYPES = {"float16": torch.float16, "bfloat16": torch.bfloat16}


def _generator(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


# --- underflow_fraction -------------------------------------------------------------------------


def observe_underflow_fraction(function: Any, case: Case, notes: Notes) -> None:
    dtype = DTYPES[case["dtype"]]
    grads = case["grads"].to(case.get("device", "cpu"))
    before = grads.clone()
    if case["scale"] is None:
        notes["plain_returned"] = function(grads, dtype)
    else:
        notes["scaled_returned"] = function(grads, dtype, scale=case["scale"])
        notes["unchanged"] = torch.equal(before, grads)


def fraction_case(values: list[float] | Tensor, dtype: str, scale: float | None = None) -> Case:
    return {"grads": torch.as_tensor(values), "dtype": dtype, "scale": scale}


def properties_underflow_fraction(case: Case, observation: Observation) -> Iterator[Finding]:
    returned = next(iter(observation.values.values()))
    if not observation.get("unchanged", True):
        yield Finding(False, "the gradients that came in are left as they were")
    yield Finding(
        type(returned) is float, "the result is a Python float", f"yours is {type_name(returned)}"
    )
    scale = "" if case["scale"] is None else f" with scale={case['scale']:g}"
    shown = ", ".join(f"{value:g}" for value in case["grads"].flatten().tolist())
    if isinstance(returned, Tensor) and returned.numel() == 1:
        returned = returned.item()  # its type was spoken of above
    number = isinstance(returned, int | float)
    yield Finding(
        number and math.isclose(returned, case["answer"]),
        f"for [{shown}] in {case['dtype']}{scale} it is {case['answer']:g}",
        f"yours is {returned:.4g}" if number else f"yours is {type_name(returned)}",
    )


UNDERFLOW_FRACTION = Exercise(
    name="underflow_fraction",
    points=2,
    task="The share of the non-zero gradients that a 16-bit format turns into zero.",
    aspects=(
        Aspect("share", "the share of the non-zero entries", 1, ("plain_returned",)),
        Aspect(
            "scale",
            "the scale is applied before the cast, and not to the caller's own gradients",
            1,
            ("scaled_returned", "unchanged"),
            ("share",),
        ),
    ),
    hints=(
        "Three steps: which entries are not zero? what becomes of them when they are multiplied by "
        "scale and cast with .to(dtype)? which share of them is zero now?",
        "Select with a mask: values = grads[grads != 0]. If there are none, the answer is 0.0. The "
        "mean of a boolean mask, as a float, is a share; .item() makes it a Python float.",
    ),
    observe=observe_underflow_fraction,
    public_cases=lambda: [
        fraction_case([1.0, 1e-3, 1e-9, 1e-12], "float16") | {"answer": 0.5},
        fraction_case([0.0, 0.0, 1.0, 1e-9], "float16") | {"answer": 0.5},
        fraction_case([1e-9, 1e-6, -1e-9, 1.0], "float16", 1024.0) | {"answer": 0.0},
        fraction_case([1e-9, 1e-30], "bfloat16") | {"answer": 0.0},
        fraction_case([[0.0], [0.0]], "float16") | {"answer": 0.0},
        fraction_case([3e-7, 1.0], "float16") | {"answer": 0.0},
    ],
    properties=properties_underflow_fraction,
)

# --- amp_train_step -----------------------------------------------------------------------------


def amp_case(
    generator: torch.Generator,
    kind: str,
    *,
    n: int,
    sizes: tuple[int, int, int],
    dtype: str,
    lr: float,
    init_scale: float | None,
    growth_interval: int = 1000,
    max_norm: float | None = None,
    stale: bool = False,
    factor: float = 1.0,
    steps: int = 3,
    classes: bool = True,
    training: bool = True,
) -> dict[str, Any]:
    """``steps`` calls on ``steps`` batches of ``n``; ``init_scale=None`` hands over a scaler that
    is switched off; ``factor`` multiplies the inputs, so that float16 can overflow."""
    features, _, out = sizes

    def normal(*shape: int) -> Tensor:
        return torch.randn(*shape, generator=generator)

    targets = (
        torch.randint(out, (steps, n), generator=generator) if classes else normal(steps, n, out)
    )
    return {
        "kind": kind,
        "x": factor * normal(steps, n, features),
        "y": targets,
        "weights": draw_weights(sizes, normal),
        "dtype": dtype,
        "lr": lr,
        "init_scale": init_scale,
        "growth_interval": growth_interval,
        "max_norm": max_norm,
        "stale": stale,
        "classes": classes,
        "training": training,
        "device": "cpu",
    }


def build_amp(case: Case) -> tuple[nn.Module, nn.Module, torch.optim.Optimizer, Any]:
    """Model, loss function, optimizer and scaler of a case, fresh."""
    model = small_network(case["weights"], nn.ReLU()).to(case["device"])
    if case["stale"]:
        for parameter in model.parameters():
            parameter.grad = torch.ones_like(parameter)
    loss_fn = nn.CrossEntropyLoss() if case["classes"] else nn.MSELoss()
    optimizer = torch.optim.SGD(model.parameters(), lr=case["lr"])
    scale = case["init_scale"]
    scaler = torch.amp.GradScaler(
        case["device"],
        init_scale=scale or 1.0,
        growth_interval=case["growth_interval"],
        enabled=scale is not None,
    )
    # The scale is made at the first call of scale(); a loop that forgets that call should be seen
    # to move wrongly, not stopped by the scaler's own assertion.
    scaler.scale(torch.zeros((), device=case["device"]))
    return model, loss_fn, optimizer, scaler


def observe_amp_train_step(function: Any, case: Case, notes: Notes) -> None:
    model, loss_fn, optimizer, scaler = build_amp(case)
    kind, dtype = case["kind"], DTYPES[case["dtype"]]
    dtypes: set[str] = set()
    model.register_forward_hook(
        lambda module, inputs, out: dtypes.add(str(getattr(out, "dtype", "")).split(".")[-1])
    )
    losses, scales, after = [], [], []
    options = {} if case["max_norm"] is None else {"max_norm": case["max_norm"]}
    model.train(case["training"])
    for x, y in zip(case["x"].to(case["device"]), case["y"].to(case["device"]), strict=True):
        try:
            result = function(model, x, y, loss_fn, optimizer, scaler, dtype=dtype, **options)
        except RuntimeError as error:
            # PyTorch complains in the second step about what was left out of the first.
            if losses and "called" in str(error):
                error.args = (f"{error} The step before did not end with scaler.update().",)
            raise
        losses.append(result)
        scales.append(float(scaler.get_scale()))
        after.append(parameters_of(model))
    notes[f"{kind}_losses"] = losses
    notes[f"{kind}_scales"] = scales
    notes[f"{kind}_parameters"] = after[-1]
    notes[f"{kind}_training"] = model.training
    notes["first_step"] = after[0]
    notes["dtypes"] = sorted(dtypes)


def properties_amp_train_step(case: Case, observation: Observation) -> Iterator[Finding]:
    kind = case["kind"]
    losses = observation[f"{kind}_losses"]
    good = all(type(loss) is float for loss in losses)
    yield Finding(good, "the result is a Python float", f"yours is {type_name(losses[0])}")
    text = "the model stays in the mode it was in, train or eval"
    yield Finding(observation[f"{kind}_training"] is case["training"], text)
    if observation["dtypes"]:
        low = case["dtype"] in observation["dtypes"]
        yield Finding(low, "the forward pass runs in the dtype that was asked for")
    if kind == "overflow":
        text = "when a gradient is infinite the step is skipped and the scale halved"
        kept = all(
            torch.equal(a, b)
            for a, b in zip(case["weights"], observation["overflow_parameters"], strict=True)
        )
        halved = observation["overflow_scales"][0] == case["init_scale"] / 2
        yield Finding(kept and halved, text)
        return
    moved = [(a - b) for a, b in zip(case["weights"], observation["first_step"], strict=True)]
    length = torch.cat([m.flatten() for m in moved]).norm().item()
    yield Finding(length > 0, "the weights move")
    if case["max_norm"] is not None:
        text = "with max_norm the first step is lr * max_norm long at most, and hardly shorter"
        wanted = case["lr"] * case["max_norm"]
        close = 0.9 * wanted < length < 1.02 * wanted
        got = f"expected about {wanted:.2g}, yours is {length:.2g}"
        if math.isclose(length * (case["init_scale"] or 1.0), wanted, rel_tol=0.05):
            got += f", {case['init_scale']:g} times shorter: that is the scale"
        yield Finding(close, text, got)
    elif good:
        true = _true_gradient(case).norm().item() * case["lr"]
        close = math.isclose(length, true, rel_tol=0.05)
        added_in = not close and _old_gradients_added(case, length)
        yield Finding(not added_in, "gradients from before the call have no influence")
        if not added_in:
            text = "the first step is as long as the true, unscaled gradient says"
            yield Finding(close, text, f"expected about {true:.2g}, yours is {length:.2g}")
        loss = _true_loss(case)
        text = "the result is the loss itself, not the scaled one"
        close = math.isclose(losses[0], loss, rel_tol=0.05)
        yield Finding(close, text, f"expected about {loss:.3g}, yours is {losses[0]:.3g}")
    grows = case["init_scale"] is not None and case["growth_interval"] <= len(losses)
    if grows:
        text = f"after {case['growth_interval']} good steps the scaler has raised its scale"
        yield Finding(observation[f"{kind}_scales"][-1] > case["init_scale"], text)


def _true_loss(case: Case) -> float:
    model, loss_fn, _, _ = build_amp(case | {"device": "cpu"})
    return loss_fn(model(case["x"][0]), case["y"][0]).item()


def _true_gradient(case: Case) -> Tensor:
    """The first batch's gradient in float32, flat."""
    model, loss_fn, _, _ = build_amp(case | {"device": "cpu", "stale": False})
    gradients = torch.autograd.grad(loss_fn(model(case["x"][0]), case["y"][0]), model.parameters())
    return torch.cat([g.flatten() for g in gradients])


def _old_gradients_added(case: Case, length: float) -> bool:
    """Whether a first step of this length comes from the old gradients, all ones, and the new."""
    if not case["stale"]:
        return False
    both = _true_gradient(case) + 1 / (case["init_scale"] or 1.0)
    return math.isclose(length, case["lr"] * both.norm().item(), rel_tol=0.05)


def _public_amp_cases() -> list[Case]:
    g, sizes = _generator(5), (4, 6, 3)
    return [
        amp_case(
            g, "plain", n=7, sizes=sizes, dtype="float16", lr=0.2, init_scale=64.0,
            growth_interval=2, stale=True,
        ),
        amp_case(
            g, "clip", n=6, sizes=sizes, dtype="float16", lr=0.2, init_scale=256.0, max_norm=0.1
        ),
        amp_case(
            g, "plain", n=5, sizes=sizes, dtype="bfloat16", lr=0.2, init_scale=None, training=False
        ),
        amp_case(
            g, "overflow", n=5, sizes=sizes, dtype="float16", lr=0.2, init_scale=2.0**24, steps=1
        ),
    ]  # fmt: skip


AMP_TRAIN_STEP = Exercise(
    name="amp_train_step",
    points=5,
    task="One training step in mixed precision.",
    aspects=(
        Aspect("update", "the weights move by the true gradient", 2, ("plain_parameters",)),
        Aspect(
            "loss",
            "the result is the unscaled loss, and the model's mode is left alone",
            1,
            ("plain_losses", "plain_training"),
            ("update",),
        ),
        Aspect("clip", "gradients are clipped after unscaling", 1, ("clip_parameters",)),
        Aspect(
            "scaler",
            "the scaler skips infinite steps and adapts its scale",
            1,
            ("plain_scales", "overflow_scales", "overflow_parameters"),
            after=("update",),
        ),
    ),
    hints=(
        "The order is: forward and loss under torch.autocast, clear, scale(loss).backward(), "
        "unscale_, clip, step, update. The device is x.device.type.",
        "scaler.unscale_(optimizer) divides the gradients; only then is a norm the true norm. "
        "scaler.step(optimizer) takes the step or skips it; scaler.update() adapts the scale. All "
        "of these do nothing special when the scaler is switched off.",
    ),
    observe=observe_amp_train_step,
    public_cases=_public_amp_cases,
    properties=properties_amp_train_step,
)

# --- DynamicLossScaler --------------------------------------------------------------------------


def scaler_case(
    kind: str, options: dict[str, Any], slopes: list[list[list[float]]], lr: float = 0.1
) -> Case:
    """``slopes[iteration][optimizer]`` are the true gradients of that optimizer's parameter; an
    infinity or a NaN among them makes the iteration overflow."""
    return {"kind": kind, "options": options, "slopes": slopes, "lr": lr}


def observe_scaler(function: Any, case: Case, notes: Notes) -> None:
    kind, slopes = case["kind"], case["slopes"]
    params = [torch.ones(len(own), requires_grad=True) for own in slopes[0]]
    unused = torch.ones(2, requires_grad=True)  # a parameter that never gets a gradient
    # Where two optimizers run, the first has two groups, and its gradients are in the second.
    first = (
        [{"params": [unused]}, {"params": [params[0]]}] if kind == "two" else [params[0], unused]
    )
    optimizers = [
        torch.optim.SGD(first if i == 0 else [param], lr=case["lr"])
        for i, param in enumerate(params)
    ]
    scaler = function(**case["options"])
    scales, taken, gradients = [_scale_of(scaler)], [], []
    for iteration in slopes:
        for optimizer in optimizers:
            optimizer.zero_grad()
        for param, slope in zip(params, iteration, strict=True):
            scaled = scaler.scale((param * torch.tensor(slope)).sum())
            if not isinstance(scaled, Tensor):
                raise TypeError(
                    f"scale(loss) is to return the scaled loss, not {type_name(scaled)}"
                )
            scaled.backward()
        results = [scaler.step(optimizer) for optimizer in optimizers]
        taken.append(results)
        gradients.append(
            [p.grad.clone() if r is True else None for p, r in zip(params, results, strict=True)]
        )
        scaler.update()
        scales.append(_scale_of(scaler))
    notes[f"{kind}_scales"] = scales
    notes[f"{kind}_taken"] = taken
    notes[f"{kind}_parameters"] = [param.detach().clone() for param in params]
    notes[f"{kind}_gradients"] = gradients


def _scale_of(scaler: Any) -> Any:
    result = scaler.scale(torch.tensor(1.0))
    return (
        float(result) if isinstance(result, Tensor) and result.numel() == 1 else type_name(result)
    )


def properties_scaler(case: Case, observation: Observation) -> Iterator[Finding]:
    kind, options = case["kind"], case["options"]
    scales = observation[f"{kind}_scales"]
    first = options.get("init_scale", 2.0**16)
    got = f"with init_scale={first:g} yours is {scales[0]!r:.30}"
    yield Finding(scales[0] == first, "scale(1.0) is init_scale at first", got)
    taken = observation[f"{kind}_taken"]
    booleans = all(type(result) is bool for results in taken for result in results)
    yield Finding(booleans, "step returns True or False", f"yours is {taken[0][0]!r:.30}")
    if kind == "plain":
        moved = 1 - case["lr"] * torch.tensor([step[0] for step in case["slopes"]]).sum(dim=0)
        got = observation["plain_parameters"][0]
        text = "a step moves the weights by the true, unscaled gradient"
        yield Finding(torch.allclose(got, moved, atol=1e-5), text)
    if kind == "overflow":
        finite = all(bool(p.isfinite().all()) for p in observation["overflow_parameters"])
        text = "a step with an infinite gradient is skipped, and the weights stay finite"
        yield Finding(finite and False in [r for results in taken for r in results], text)
        factor = options.get("backoff_factor", 0.5)
        text = f"after it, update multiplies the scale by backoff_factor = {factor:g}"
        yield Finding(factor * first in scales, text, f"your scales are {scales!r:.60}")
    if kind == "two":
        text = "with two optimizers, each is stepped or skipped on its own"
        wanted = [[all(map(math.isfinite, own)) for own in each] for each in case["slopes"]]
        yield Finding(taken == wanted, text, f"expected {wanted}, yours is {taken}")
        moved = 1 - case["lr"] * torch.tensor(case["slopes"][0][1])
        good = torch.allclose(observation["two_parameters"][1], moved, atol=1e-5)
        text = "after one optimizer's overflow the other's step is as long as it should be"
        yield Finding(good, text)
        text = "an inf that any optimizer met backs off at the next update()"
        yield Finding(scales[1] == first / 2, text, f"your scales are {scales!r:.60}")
    if kind == "mixed":
        wanted = [first, first, first / 2, first / 2, first]
        text = "after an overflow the count of good updates starts again"
        yield Finding(scales == wanted, text, f"expected {wanted}, yours is {scales!r:.60}")
    if kind == "growth":
        interval = options["growth_interval"]
        grown = first * options.get("growth_factor", 2.0)
        text = f"after {interval} good steps in a row, and not before, the scale is {grown:g}"
        good = scales[interval - 1] == first and scales[interval] == grown
        yield Finding(good, text, f"your scales are {scales!r:.60}")
        if good and len(scales) > 2 * interval:
            again = grown * options.get("growth_factor", 2.0)
            text = f"after {interval} more good steps it grows again, to {again:g}"
            yield Finding(scales[2 * interval] == again, text, f"your scales are {scales!r:.60}")


DYNAMIC_LOSS_SCALER = Exercise(
    name="DynamicLossScaler",
    points=4,
    task="The scaler itself.",
    aspects=(
        Aspect(
            "scaling",
            "scaled before backward, unscaled before the step",
            1,
            ("plain_scales", "plain_parameters", "plain_taken", "plain_gradients"),
        ),
        Aspect(
            "skipping",
            "a step with inf or NaN is skipped, each optimizer on its own",
            1,
            ("overflow_taken", "overflow_parameters", "two_taken", "two_parameters"),
            after=("scaling",),
        ),
        Aspect(
            "backoff",
            "any inf or NaN backs the scale off at update()",
            1,
            ("overflow_scales", "two_scales"),
            after=("scaling",),
        ),
        Aspect(
            "growth",
            "growth_interval good steps in a row raise the scale",
            1,
            ("growth_scales", "mixed_scales"),
            after=("scaling",),
        ),
    ),
    hints=(
        "Three things to remember between the calls: the scale, how many good updates there were "
        "in a row, and whether any step since the last update met an inf or NaN.",
        "In step: look at every p.grad of optimizer.param_groups; if all are finite divide them by "
        "the scale and call optimizer.step(). In update: back off and start counting again, or "
        "count one more and grow when the interval is reached.",
    ),
    observe=observe_scaler,
    public_cases=lambda: [
        scaler_case("plain", {"init_scale": 8.0}, [[[1.0, -2.0, 0.5]], [[0.5, 1.0, 3.0]]]),
        scaler_case(
            "overflow", {"init_scale": 4.0}, [[[1.0, 2.0]], [[math.inf, 1.0]], [[1.0, 1.0]]]
        ),
        scaler_case("growth", {"init_scale": 2.0, "growth_interval": 3}, [[[1.0]]] * 7),
        scaler_case("growth", {"init_scale": 2.0, "growth_interval": 3}, [[[1.0], [2.0]]] * 4),
        scaler_case("plain", {}, [[[1.0, 2.0]]]),
        scaler_case("two", {"init_scale": 4.0}, [[[math.inf, 1.0], [0.5, 2.0]]]),
        scaler_case(
            "mixed",
            {"init_scale": 4.0, "growth_interval": 2},
            [[[1.0]], [[math.nan]], [[1.0]], [[1.0]]],
        ),
    ],
    properties=properties_scaler,
    forbidden=("torch.amp.GradScaler",),
)

EXERCISES = (UNDERFLOW_FRACTION, AMP_TRAIN_STEP, DYNAMIC_LOSS_SCALER)

QUESTIONS = (
    Question(
        "q08b_1",
        "A gradient of 1e-8 is cast to float16. What is stored?",
        {
            "A": "0",
            "B": "1e-8",
            "C": "6e-5, the smallest normal number",
            "D": "inf",
        },
    ),
    Question(
        "q08b_2",
        "Where does `clip_grad_norm_` belong in a step with a `GradScaler`?",
        {
            "A": "before `scaler.scale(loss).backward()`",
            "B": "between `backward()` and `scaler.unscale_(optimizer)`",
            "C": "after `scaler.step(optimizer)`",
            "D": "between `scaler.unscale_(optimizer)` and `scaler.step(optimizer)`",
        },
    ),
    Question(
        "q08b_3",
        "Why does training in bfloat16 do without a scaler?",
        {
            "A": "It is more precise than float16.",
            "B": "Autocast scales the loss by itself.",
            "C": "It has the exponent range of float32, so gradients hardly underflow.",
            "D": "The hardware keeps its gradients in float32.",
        },
    ),
)
