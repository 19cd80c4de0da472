"""What the chapter says about shapes and costs is what PyTorch's own counters say."""

import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode

from course_lib.models import MLP
from course_lib.simulations import load
from course_lib.simulations.base import defaults
from course_lib.simulations.shape_tracker import State

SIMULATION = load("shape_tracker")


def tracked(batch_size: int, hidden: int) -> State:
    return SIMULATION.compute({"batch_size": batch_size, "hidden": hidden})


def test_the_default_is_the_network_of_the_chapter() -> None:
    state = SIMULATION.compute(defaults(SIMULATION))
    assert [layer.shape for layer in state.layers] == [(32, 128), (32, 128), (32, 10)]
    assert [layer.parameters for layer in state.layers] == [100_480, 0, 1_290]
    assert state.total("parameters") == 101_770


@pytest.mark.parametrize(("batch_size", "hidden"), [(1, 1), (32, 128), (7, 300)])
def test_multiply_adds_are_half_of_the_operations_that_pytorch_counts(batch_size, hidden) -> None:
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        MLP(784, hidden, 10)(torch.zeros(batch_size, 784))
    assert tracked(batch_size, hidden).total("multiply_adds") == counter.get_total_flops() / 2


def test_the_batch_size_changes_memory_and_work_but_no_parameter() -> None:
    one, many = tracked(1, 128), tracked(64, 128)
    assert many.total("parameters") == one.total("parameters")
    assert many.total("kibibytes") == 64 * one.total("kibibytes")
    assert many.total("multiply_adds") == 64 * one.total("multiply_adds")


def test_examples_of_a_batch_do_not_meet() -> None:
    few, many = tracked(3, 128), tracked(200, 128)
    for a, b in zip(few.tensors, many.tensors, strict=True):
        assert torch.allclose(torch.from_numpy(a), torch.from_numpy(b[:3]), atol=1e-5)
