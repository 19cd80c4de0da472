"""``clinic_b``, secret half."""

import copy

import torch

from course_lib.exercises.ch09_mastery.clinic_b import dropout_case
from course_lib.exercises.checking.model import Case, Observation
from grading.answers.draw import size
from grading.answers.edit import edit
from grading.answers.model import Answer, wrong

EVAL = "    model.eval()\n"


def _cases(g: torch.Generator) -> list[Case]:
    return [dropout_case(g, size(g, 4, 9), size(g, 10, 14), size(g, 2, 3)) for _ in range(3)]


def _trains(case: Case, got: Observation) -> bool:
    return got.error is None and got["learned"]


def _restored(model, x):
    was_training = model.training
    model.train(False)
    try:
        with torch.inference_mode():
            logits = model(x)
    finally:
        model.train(was_training)
    return logits.clone()


def _copied(model, x):
    return copy.deepcopy(model).eval()(x).detach()


def _layer_by_layer(model: torch.nn.Module, x: torch.Tensor) -> torch.Tensor:
    for layer in model:
        x = layer.eval()(x)
    return x.detach()


def _in_a_closure(model, x):
    @torch.no_grad()
    def predictions():
        yield from (model(x[i : i + 1])[0] for i in range(len(x)))

    model.eval()
    return torch.stack(list(predictions()))


def _with_functional_call(model, x):
    values = {name: value.detach() for name, value in model.state_dict().items()}
    return torch.func.functional_call(model.eval(), values, (x,))


def _switched_by_hand(model, x):
    switches = [module for module in model.modules() if module.training]
    for module in switches:
        module.training = False
    logits = model(x).data
    for module in switches:
        module.training = True
    return logits


ANSWER = Answer(
    exercise="clinic_b",
    cases=_cases,
    equivalent={
        "return model(x) -> return torch.as_tensor(model(x))": "It is a tensor.",
        "return model(x) -> return model(x).detach()": "It has no graph.",
    },
    variants=(
        edit("model.eval()", "model.train(False)"),
        _restored,
        _copied,
        _layer_by_layer,
        _in_a_closure,
        _with_functional_call,
        _switched_by_hand,
    ),
    misconceptions=(
        wrong(
            "dropout switched off, batch norm forgotten",
            edit(
                "model.eval()", "[m.eval() for m in model.modules() if type(m) is torch.nn.Dropout]"
            ),
            "Dropout is off now, but batch norm still standardises over the batch it sees. "
            "model.eval() reaches every layer.",
        ),
        wrong(
            "eval mode set too late",
            edit(EVAL, "").edit("return model(x)", "x = model(x)\n" + EVAL + "    return x"),
            "You set eval mode after the forward pass. Dropout and batch norm have already acted "
            "by then.",
            recognise=lambda case, got: _trains(case, got) and got.get("training_after") is False,
        ),
        wrong(
            "no_grad taken away",
            edit("torch.no_grad()", "torch.enable_grad()"),
            "The mode is right now, but the logits carry a graph: no_grad was not a mistake. You "
            "need both, and neither does the other's work.",
        ),
        wrong(
            "eval() forgotten",
            edit(EVAL, ""),
            "The model is still in train mode: dropout switches units off and batch norm learns "
            "from data that it should only make predictions for. Call model.eval() first.",
            recognise=_trains,
        ),
    ),
)
