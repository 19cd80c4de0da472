"""Lab 08b's hidden cases on every device that there is: on the CPU everywhere, on a GPU where one is."""

from dataclasses import replace

import pytest
import torch

from course_lib.exercises import find_exercise
from course_lib.exercises.checking.observe import observe
from grading.answers import find_answer
from grading.answers.compare import difference
from grading.answers.model import as_subjects
from grading.chapter_text.reference import reference

DEVICES = ("cpu", "cuda") if torch.cuda.is_available() else ("cpu",)
SEED = 21


def _wrong_aspects(name, device, solution):
    """Names of the aspects in which ``solution`` differs from the reference on that device."""
    exercise, answer = replace(find_exercise(name), forbidden=()), find_answer(name)
    wrong = set()
    for case in answer.cases(torch.Generator().manual_seed(SEED)):
        case = {**case, "device": device}
        expected = exercise.read(case, observe(exercise, reference(name), case))
        got = exercise.read(case, observe(exercise, as_subjects(solution, name), case))
        assert expected.error is None
        for aspect in exercise.aspects:
            if aspect.name not in case["asks"]:
                continue
            for field in aspect.fields:
                if field in expected.values and (
                    got.error is not None
                    or difference(expected[field], got.get(field), *answer.tolerance)
                ):
                    wrong.add(aspect.name)
    return wrong


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize("name", ["underflow_fraction", "amp_train_step"])
def test_right_variants_agree_with_the_reference(name, device):
    for variant in find_answer(name).variants:
        assert _wrong_aspects(name, device, variant) == set()


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize("name", ["underflow_fraction", "amp_train_step"])
def test_misconceptions_do_not(name, device):
    for misconception in find_answer(name).misconceptions:
        assert _wrong_aspects(name, device, misconception.solution), misconception.name
