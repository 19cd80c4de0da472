"""``clinic_a``, secret half."""

import torch
from torch import nn
from torch.nn import functional as F

from course_lib.exercises.ch09_mastery.clinic_a import pictures_case
from course_lib.exercises.checking.model import Case, Observation
from grading.answers.draw import size
from grading.answers.edit import edit
from grading.answers.model import Answer, wrong

FLAT = "images.flatten(1)"
RETURN = f"return model({FLAT})"


def _cases(g: torch.Generator) -> list[Case]:
    return [
        pictures_case(g, size(g, 3, 6), size(g, 4, 5), size(g, 6, 8), size(g, 9, 11))
        for _ in range(3)
    ]


def _multiplied(got: Observation, rows: int, columns: int) -> bool:
    """Whether the learner's code stopped at a product with a matrix of this shape."""
    return got.error is not None and f"({rows}x{columns} and" in got.error.message


ANSWER = Answer(
    exercise="clinic_a",
    cases=_cases,
    equivalent={
        f"{RETURN} -> return torch.as_tensor(model({FLAT}))": "It is a tensor.",
        f"{RETURN} -> {RETURN}.detach()": "Whether the logits carry a graph is free.",
    },
    # In float32 logits near 0 differ by up to 5e-7 (400 secrets) between one product and one per picture.
    tolerance=(1e-5, 1e-5),
    variants=(
        edit(FLAT, "torch.flatten(images, start_dim=-2)"),
        edit(FLAT, "images.reshape(len(images), -1)"),
        lambda model, images: nn.Sequential(nn.Flatten(), model)(images),
        lambda model, images: torch.stack([model(image.reshape(-1)) for image in images]),
        lambda model, images: torch.einsum(
            "np,cp->nc", images.view(images.size(0), -1), model.weight
        ).add(model.bias),
        lambda model, images: torch.vmap(
            lambda image: F.linear(image.ravel(), model.weight, model.bias)
        )(images),
        lambda model, images: model.forward(torch.cat(images.unbind(dim=1), dim=1)),
    ),
    misconceptions=(
        wrong(
            "mismatched shapes",
            edit(FLAT, "images"),
            "The layer still gets the rows of the pictures. It wants one row per picture: flatten "
            "each, and keep the batch dimension.",
            recognise=lambda case, got: _multiplied(
                got, case["images"].shape[0] * case["images"].shape[1], case["images"].shape[2]
            ),
        ),
        wrong(
            "batch flattened too",
            edit(FLAT, "images.flatten()"),
            "flatten() without an argument makes one long row of the whole batch. flatten(1) keeps "
            "the first dimension.",
            recognise=lambda case, got: _multiplied(got, 1, case["images"].numel()),
        ),
        wrong(
            "pictures transposed",
            edit(FLAT, "images.transpose(1, 2).flatten(1)"),
            "You swap rows and columns before flattening, so every pixel meets the wrong weight.",
        ),
        wrong(
            "batch averaged away",
            edit(f"({FLAT})", f"({FLAT}.mean(dim=0, keepdim=True)).expand(len(images), -1)"),
            "You average over the batch, so every picture gets the same logits.",
        ),
    ),
)
