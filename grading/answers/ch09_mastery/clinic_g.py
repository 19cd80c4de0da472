"""``clinic_g``, secret half."""

import re

import torch

from course_lib.exercises.ch09_mastery.clinic_g import device_case
from course_lib.exercises.checking.model import Case, Observation
from grading.answers.draw import size
from grading.answers.edit import edit
from grading.answers.model import Answer, wrong


def _cases(g: torch.Generator) -> list[Case]:
    return [
        device_case(g, size(g, 3, 5), size(g, 6, 8), size(g, 2, 4), device)
        for device in ("meta", "cpu", "meta", "cpu")
    ]


def _stopped_by(words: str, at: str = ""):
    """Recognises an error of the model on "meta" by words of its message, and by what the line
    holds; on "cpu" all is well."""

    def recognise(case: Case, got: Observation) -> bool:
        raised = got.error is not None and words in got.error.message
        return case["device"] == "cpu" or (raised and bool(re.search(at, got.error.line)))

    return recognise


def _from_weight(model, x):
    device = {p.device for p in model.parameters()}.pop()
    return model.forward(x.to(device=device, non_blocking=True))


def _with_loop(model, x):
    for p in model.parameters():
        x = x.to(p.device)
        break
    return model(x)


def _typed(model: torch.nn.Module, x: torch.Tensor) -> torch.Tensor:
    places = (value.device for value in model.state_dict().values())
    return model(x.to(next(places)))


def _like(model, x):
    return model(x.to(model.weight if hasattr(model, "weight") else next(model.parameters())))


def _unpacked(model, x):
    first, *_ = model.parameters()
    return model(torch.empty_like(x, device=first.device).copy_(x))


def _moved_if_elsewhere(model, x):
    match next(model.named_parameters()):
        case _, p if p.device != x.device:
            x = x.to(p.device)
    return model(x)


ANSWER = Answer(
    exercise="clinic_g",
    cases=_cases,
    variants=(
        edit("x.to(device)", "x.to(device, copy=True)"),
        _from_weight,
        _with_loop,
        _typed,
        _like,
        _unpacked,
        _moved_if_elsewhere,
    ),
    equivalent={
        "return model(x.to(device)) -> return model(x.to(device)).detach()": (
            "The contract does not ask for a graph: the output is the same."
        ),
        "return model(x.to(device)) -> return torch.as_tensor(model(x.to(device)))": "It is a tensor.",
    },
    misconceptions=(
        wrong(
            "nothing returned",
            edit("return model", "model"),
            "Your function gives back None. Return the model's output for x.",
        ),
        wrong(
            "wrong device",
            edit("x.to(device)", "x"),
            "The data stays on the CPU while the model may live elsewhere. Move x to the device "
            "of the model's parameters.",
            recognise=_stopped_by("not on the expected device"),
        ),
        wrong(
            "model moved to the data",
            edit("model(x.to(device))", "model.to(x.device)(x)"),
            "You move the model. It is the caller's, and may be large or shared by others: move the "
            "data to where the model is.",
            recognise=_stopped_by("Cannot copy out of meta tensor", at=r"\bmodel\.(to|cpu)\("),
        ),
        wrong(
            "result moved back",
            edit("(x.to(device))", '(x.to(device)).to("cpu")'),
            "You move the result to the CPU. It belongs where the model is; a caller who needs it "
            "elsewhere can move it.",
            recognise=_stopped_by("Cannot copy out of meta tensor"),
        ),
        wrong(
            "new data instead of moved data",
            edit("x.to(device)", "torch.zeros_like(x, device=device)"),
            "You make a new tensor on the right device, without the values. x.to(device) moves "
            "the values along.",
        ),
    ),
)
