"""``build_mlp``, public half."""

from collections.abc import Iterator
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn

from course_lib.exercises.ch01_forward_pass.results import near, row
from course_lib.exercises.checking.model import Aspect, Case, Exercise, Finding, Notes, Observation
from course_lib.exercises.checking.wire import a_type, type_name


def mlp_case(generator: torch.Generator, n: int, sizes: tuple[int, int, int]) -> dict[str, Any]:
    """A case: ``sizes`` are (in, hidden, out), all different, so that a layer is known by its
    shape. The weights are put into the learner's layers; every bias is far from 0."""
    features, hidden, out = sizes
    normal = partial(torch.randn, generator=generator)
    return {
        "sizes": list(sizes),
        "x": normal(n, features),
        "weights": [normal(hidden, features), normal(out, hidden)],
        "biases": [1.5 * normal(hidden), 2 + normal(out)],
        "asks": ("runs", "layers", "output"),
    }


def _observe(function: Any, case: Case, notes: Notes) -> None:
    model = function(*case["sizes"])
    notes["is_module"] = isinstance(model, nn.Module)
    notes["layers"] = notes["output"] = notes["gradient"] = None
    if not isinstance(model, nn.Module):
        notes["type"] = "a class" if isinstance(model, type) else a_type(model)
        return
    notes["weights"] = len(list(model.parameters()))
    notes["layers"] = _layer_sizes(model)
    # Run before the weights are filled in: a lazy layer knows its sizes only after that.
    first = _run(model, case)
    # Of a few units, dropout may spare or zero the same ones twice, and more often.
    again = [_run(model, case) for _ in range(8)]
    notes["result"] = type_name(first)
    notes["shape"] = list(first.shape) if isinstance(first, Tensor) else None
    notes["repeatable"] = isinstance(first, Tensor) and all(near(each, first) for each in again)
    notes["layers"] = sizes = _layer_sizes(model)
    if sizes != _wanted(case):
        return
    hidden, out = case["sizes"][1:]
    layers = {layer.out_features: layer for layer in _linears(model)}
    with torch.no_grad():
        for size, weight, bias in zip((hidden, out), case["weights"], case["biases"], strict=True):
            layers[size].weight.copy_(weight)
            if layers[size].bias is not None:
                layers[size].bias.copy_(bias)
    notes["output"] = output = _run(model, case)
    if isinstance(output, Tensor) and output.requires_grad:
        output.square().sum().backward()
        notes["gradient"] = layers[hidden].weight.grad


def _run(model: nn.Module, case: Case) -> Any:
    """Where layers do not fit, PyTorch's error also says which there are."""
    try:
        return model(case["x"])
    except NotImplementedError:  # what PyTorch raises for a class without forward()
        raise AttributeError("your model has no method called forward") from None
    except RuntimeError as error:
        if "shapes cannot be multiplied" in str(error):
            sizes = (f"{m.in_features} -> {m.out_features}" for m in _linears(model))
            layers = ", ".join(sizes) or "none"
            call = f"build_mlp({', '.join(map(str, case['sizes']))})"
            error.args = (f"{error}. For {call} your linear layers are {layers}",)
        raise


def _linears(model: nn.Module) -> list[nn.Linear]:
    return [module for module in model.modules() if isinstance(module, nn.Linear)]


def _layer_sizes(model: nn.Module) -> list[list[int]]:
    """[in, out] of every linear layer, smallest first: the order of registration is free."""
    return sorted([layer.in_features, layer.out_features] for layer in _linears(model))


def _wanted(case: Case) -> list[list[int]]:
    features, hidden, out = case["sizes"]
    return sorted([[features, hidden], [hidden, out]])


def _public_cases() -> list[Case]:
    """Weights of 0, 1 and -1, whose outputs can be told without a network."""
    ones = {
        "sizes": [3, 4, 2],
        # Sums of 7 and -7: a ReLU6 is no ReLU.
        "x": torch.tensor([[-1.0, 2.0, 6.0], [1.0, -2.0, -6.0]]),
        "weights": [torch.ones(4, 3), torch.ones(2, 4)],
        "biases": [torch.zeros(4), torch.zeros(2)],
    }
    biases = ones | {
        "weights": [torch.zeros(4, 3), torch.ones(2, 4)],
        "biases": [torch.ones(4), torch.tensor([-5.0, 10.0])],
    }
    return [ones, biases]


def _properties(case: Case, observation: Observation) -> Iterator[Finding]:
    is_module = observation["is_module"]
    yield Finding(is_module, "the result is an nn.Module", f"yours is {observation.get('type')}")
    if not is_module:
        return
    features, hidden, out = case["sizes"]
    layers, output = observation["layers"], observation["output"]
    text = (
        f"build_mlp({features}, {hidden}, {out}) holds two linear layers, "
        f"{features} -> {hidden} and {hidden} -> {out}"
    )
    held = ", ".join(f"{a} -> {b}" for a, b in layers) or "no linear layer that PyTorch knows of"
    right = layers == _wanted(case)
    yield Finding(right, text, f"yours holds {held}")
    if not right:
        return
    n = len(case["x"])
    shape = observation.get("shape")
    came_out = f"yours comes out as {shape}"
    if shape is None:
        came_out = f"your forward returns {observation.get('result')}"
    text = f"a batch [{n}, {features}] comes out as [{n}, {out}]"
    yield Finding(shape == [n, out], text, came_out)
    if not isinstance(output, Tensor) or not shape == list(output.shape) == [n, out]:
        return
    flows = isinstance(observation["gradient"], Tensor)
    yield Finding(flows, "a gradient flows back to the first layer's weight")
    if not case["biases"][0].any():
        # The hidden sums are 7 and -7 in each of four units.
        text = "with all weights 1, the inputs -1, 2, 6 give 28: large values are not squeezed"
        yield Finding(near(output[0], torch.full((2,), 28.0)), text, row(output[0]))
        text = "the inputs 1, -2, -6 give 0: hidden values below 0 are cut off"
        yield Finding(near(output[1], torch.zeros(2)), text, row(output[1]))
    else:
        # Four hidden units hold their bias 1, so the sum is 4; the last biases shift it.
        text = "both layers add their bias, and the logits may be negative: [-1, 14]"
        yield Finding(near(output[0], torch.tensor([-1.0, 14.0])), text, row(output[0]))


EXERCISE = Exercise(
    name="build_mlp",
    points=2,
    task="Build a network of two linear layers with a ReLU between them.",
    aspects=(
        Aspect(
            "runs",
            "it is an nn.Module that turns [N, in_features] into [N, out_features]",
            0.5,
            ("is_module", "shape"),
        ),
        Aspect("layers", "it holds two linear layers of the right sizes", 0.5, ("layers",)),
        Aspect(
            "output",
            "it computes linear, ReLU, linear, and returns logits",
            1,
            ("output", "gradient"),
            after=("layers",),
        ),
    ),
    hints=(
        "Two ways are equally good: return an instance of a class like the one above, with the "
        "layers made in __init__ and used in forward; or return nn.Sequential(...), which runs its "
        "modules one after another.",
        "The first layer goes from in_features to hidden, the second from hidden to out_features. "
        "nn.ReLU() goes between them, and nothing at all comes after the second.",
    ),
    observe=_observe,
    fields=(
        "is_module",
        "type",
        "weights",
        "layers",
        "result",
        "shape",
        "repeatable",
        "output",
        "gradient",
    ),
    public_cases=_public_cases,
    properties=_properties,
    forbidden=("course_lib.models.MLP",),
)
