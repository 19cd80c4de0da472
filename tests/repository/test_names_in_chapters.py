"""All chapters call the same thing by the same name, as CONTRIBUTING.md lists them."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

from grading.chapter_text.cells import read_chapter

CHAPTERS = sorted(Path("grading/chapters").glob("*.py"))

#: What a call gives, and how the name must end that keeps it.
ONE_NAME = {
    "MLP": "model",
    "CrossEntropyLoss": "loss_fn",
    "SGD": "optimizer",
    "Adam": "optimizer",
    "AdamW": "optimizer",
    "CosineAnnealingLR": "scheduler",
    "OneCycleLR": "scheduler",
    "StepLR": "scheduler",
    "GradScaler": "scaler",
    "DataLoader": "loader",
    "loader": "loader",
    "Generator": "generator",
    "manual_seed": "generator",
    "generator_of": "generator",
}
#: Whole data sets, with their labels.
PAIRS = {"digits": ("images", "labels"), "circles": ("points", "labels")}


def _codes(chapter: Path) -> Iterator[tuple[str, ast.Module]]:
    for cell in read_chapter(chapter):
        if cell.kind == "code":
            yield cell.where, ast.parse(cell.text)


def _called(value: ast.expr) -> str:
    """The last part of what is called: "SGD" of ``torch.optim.SGD(...)``."""
    if not isinstance(value, ast.Call):
        return ""
    return (
        value.func.attr if isinstance(value.func, ast.Attribute) else getattr(value.func, "id", "")
    )


def _assigned(tree: ast.Module) -> Iterator[tuple[ast.expr, ast.expr]]:
    """(target, value) of each assignment, those of ``a, b = f(), g()`` one by one."""
    for node in ast.walk(tree):
        if not isinstance(node, ast.Assign):
            continue
        for target in node.targets:
            if isinstance(target, ast.Tuple) and isinstance(node.value, ast.Tuple):
                yield from zip(target.elts, node.value.elts, strict=True)
            else:
                yield target, node.value


@pytest.mark.parametrize("chapter", CHAPTERS, ids=lambda path: path.stem)
def test_a_thing_has_the_same_name_in_every_chapter(chapter: Path) -> None:
    found = 0
    for where, tree in _codes(chapter):
        for target, value in _assigned(tree):
            called = _called(value)
            if called in PAIRS:
                assert ast.unparse(target).strip("()") == ", ".join(PAIRS[called]), where
                found += 1
            elif called in ONE_NAME and isinstance(target, ast.Name):
                assert target.id.endswith(ONE_NAME[called]), f"{where}: {ast.unparse(target)}"
                found += 1
    if chapter.stem[:2] not in ("02", "03"):
        assert found, "nothing of the list was seen"


@pytest.mark.parametrize("chapter", CHAPTERS, ids=lambda path: path.stem)
def test_a_batch_is_x_and_y(chapter: Path) -> None:
    for where, tree in _codes(chapter):
        for node in ast.walk(tree):
            if isinstance(node, ast.For) and "loader" in ast.unparse(node.iter):
                names = [name.id for name in ast.walk(node.target) if isinstance(name, ast.Name)]
                assert {"x", "y"} <= set(names), f"{where}: for {ast.unparse(node.target)}"
