"""``amp_train_step``, public half."""

import math
from collections.abc import Iterator
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn

from course_lib.exercises.checking.model import Aspect, Case, Exercise, Finding, Notes, Observation
from course_lib.exercises.checking.wire import a_type
from course_lib.exercises.support.loop_watch import parameters_of
from course_lib.exercises.support.small_network import draw_weights, small_network


def amp_case(
    generator: torch.Generator,
    *asks: str,
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
    normal = partial(torch.randn, generator=generator)
    targets = (
        torch.randint(out, (steps, n), generator=generator) if classes else normal(steps, n, out)
    )
    return {
        "asks": asks,
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


def build(case: Case) -> tuple[nn.Module, nn.Module, torch.optim.Optimizer, Any]:
    """Model, loss function, optimizer and scaler of a case, fresh."""
    model = small_network(case["weights"], nn.ReLU(), stale=case["stale"]).to(case["device"])
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


def _observe(function: Any, case: Case, notes: Notes) -> None:
    model, loss_fn, optimizer, scaler = build(case)
    dtype = getattr(torch, case["dtype"])
    dtypes: set[str] = set()
    model[-1].register_forward_hook(  # also seen when somebody calls model.forward
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
        if "scaler" in case["asks"]:
            model.zero_grad()  # leftovers have a case of their own
    notes["losses"] = losses
    notes["scales"] = scales
    # Where the precision does not matter, it costs nothing.
    rough = {"stale", "scaler"}.intersection(case["asks"])
    notes["parameters_roughly" if rough else "parameters"] = after[-1]
    notes["training"] = model.training
    notes["first_step"] = after[0]
    notes["dtypes"] = sorted(dtypes)


def _facts(case: Case, observation: Observation) -> dict[str, float]:
    pairs = zip(case["weights"], observation["first_step"], strict=True)
    moved = torch.cat([(before - after).flatten() for before, after in pairs])
    return {"step_length": moved.norm().item()}


def _properties(case: Case, observation: Observation) -> Iterator[Finding]:
    losses = observation["losses"]
    good = all(type(loss) is float for loss in losses)
    yield Finding(good, "the result is a Python float", f"yours is {a_type(losses[0])}")
    text = "the model stays in the mode it was in, train or eval"
    yield Finding(observation["training"] is case["training"], text)
    if observation["dtypes"]:
        low = case["dtype"] in observation["dtypes"]
        yield Finding(low, "the forward pass runs in the requested dtype")
    if case["asks"] == ("scaler",) and case["growth_interval"] == 1000:  # its gradients overflow
        text = "when a gradient is infinite the step is skipped and the scale halved"
        kept = all(map(torch.equal, case["weights"], observation["parameters_roughly"]))
        halved = observation["scales"][0] == case["init_scale"] / 2
        full = case["dtype"] not in observation["dtypes"] and "float32" in observation["dtypes"]
        got = "yours runs in float32, where nothing overflows here" if full else ""
        yield Finding(kept and halved, text, got)
        return
    length = observation["step_length"]
    yield Finding(length > 0, "the weights move")
    if case["max_norm"] is not None:
        text = "with max_norm the first step is at most lr * max_norm long, and hardly shorter"
        wanted = case["lr"] * case["max_norm"]
        close = 0.9 * wanted < length < 1.02 * wanted
        got = f"that is about {wanted:.2g} here, yours is {length:.2g}"
        if math.isclose(length * (case["init_scale"] or 1.0), wanted, rel_tol=0.05):
            got += f", {case['init_scale']:g} times shorter: that is the scale"
        yield Finding(close, text, got)
    elif good:
        loss, gradient = _true_loss_and_gradient(case)
        true = gradient.norm().item() * case["lr"]
        close = math.isclose(length, true, rel_tol=0.05)
        added_in = not close and _old_gradients_added(case, length, gradient)
        yield Finding(not added_in, "gradients from before the call have no influence")
        if not added_in:
            text = "the first step has the length that the true, unscaled gradient gives"
            yield Finding(close, text, f"that is about {true:.2g} here, yours is {length:.2g}")
        text = "the result is the loss itself, not the scaled one"
        close = math.isclose(losses[0], loss, rel_tol=0.05)
        yield Finding(close, text, f"that is about {loss:.3g} here, yours is {losses[0]:.3g}")
    if case["init_scale"] is not None and case["growth_interval"] <= len(losses):
        text = f"after {case['growth_interval']} good steps the scaler has raised its scale"
        yield Finding(observation["scales"][-1] > case["init_scale"], text)


def _true_loss_and_gradient(case: Case) -> tuple[float, Tensor]:
    """Of the first batch in float32; the gradient is flat."""
    model, loss_fn, _, _ = build(case | {"device": "cpu"})
    loss = loss_fn(model(case["x"][0]), case["y"][0])
    gradients = torch.autograd.grad(loss, model.parameters())
    return loss.item(), torch.cat([g.flatten() for g in gradients])


def _old_gradients_added(case: Case, length: float, gradient: Tensor) -> bool:
    """Whether a first step of this length comes from the old gradients, all ones, and the new."""
    if not case["stale"]:
        return False
    both = gradient + 1 / (case["init_scale"] or 1.0)
    return math.isclose(length, case["lr"] * both.norm().item(), rel_tol=0.05)


def _public_cases() -> list[Case]:
    generator = torch.Generator().manual_seed(5)

    def case(*asks: str, dtype: str = "float16", **settings: Any) -> Case:
        return amp_case(generator, *asks, sizes=(4, 6, 3), dtype=dtype, lr=0.2, **settings)

    return [
        case("update", "loss", n=7, init_scale=64.0, steps=1),
        case("stale", n=7, init_scale=4.0, stale=True, steps=1),
        case("clip", n=6, init_scale=256.0, max_norm=0.1, steps=1),
        case("update", "loss", n=5, dtype="bfloat16", init_scale=None, training=False),
        case("scaler", n=5, init_scale=64.0, growth_interval=2),
        case("scaler", n=5, init_scale=2.0**24, steps=1),
    ]


EXERCISE = Exercise(
    name="amp_train_step",
    points=5,
    task="One training step in mixed precision.",
    aspects=(
        Aspect(
            "update",
            "the forward pass runs in the requested dtype, and the weights move by the true gradient",
            1,
            ("parameters", "dtypes"),
        ),
        Aspect(
            "stale", "gradients from before the call have no influence", 1, ("parameters_roughly",)
        ),
        Aspect(
            "loss",
            "the result is the unscaled loss, and the model's mode is left alone",
            1,
            ("losses", "training"),
        ),
        Aspect("clip", "gradients are clipped after unscaling", 1, ("parameters",)),
        Aspect(
            "scaler",
            "the scaler skips infinite steps and adapts its scale",
            1,
            ("scales", "parameters_roughly"),
        ),
    ),
    hints=(
        "The order is: forward and loss under torch.autocast, clear, scale(loss).backward(), "
        "unscale_, clip, step, update. The device is x.device.type.",
        "scaler.unscale_(optimizer) divides the gradients; only then is a norm the true norm. "
        "scaler.step(optimizer) takes the step or skips it; scaler.update() adapts the scale. All "
        "of these do nothing special when the scaler is switched off.",
    ),
    observe=_observe,
    fields=(
        "losses",
        "scales",
        "parameters",
        "parameters_roughly",
        "training",
        "first_step",
        "dtypes",
    ),
    facts=_facts,
    derived=("step_length",),
    public_cases=_public_cases,
    properties=_properties,
)
