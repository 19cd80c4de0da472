"""The data are what the chapters say, and drawing them disturbs nobody's random numbers."""

import numpy as np
import pytest
import torch
from sklearn.datasets import load_digits

from course_lib import data
from course_lib.models import MLP, seeded


@pytest.mark.parametrize("size", [8, 28])
def test_digits_are_real_pictures_between_0_and_1(size: int) -> None:
    X, y = data.digits(size)
    assert X.shape == (1797, size * size)
    assert X.dtype == torch.float32
    assert y.dtype == torch.int64
    assert X.min() == 0
    assert 0.9 < X.max() <= 1
    assert y.bincount().tolist() == [178, 182, 177, 183, 181, 182, 181, 179, 174, 180]


def test_writing_into_the_digits_leaves_the_next_reader_unharmed() -> None:
    first, _ = data.digits(8)
    kept = first.clone()
    first.zero_()
    assert torch.equal(data.digits(8)[0], kept)


@pytest.mark.parametrize("file_is_known", [True, False])
def test_digits_are_scikit_learns(file_is_known: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """Also where its file lies somewhere else."""
    if not file_is_known:
        monkeypatch.setattr(data, "find_spec", lambda name: None)
    pictures, labels = load_digits(return_X_y=True)
    found, numbers = data._pictures_and_labels()
    assert np.array_equal(found, pictures)
    assert np.array_equal(numbers, labels)


def test_other_sizes_of_digits_are_refused() -> None:
    with pytest.raises(ValueError, match="8 or 28"):
        data.digits(16)


def test_circles_have_radius_1_and_a_half() -> None:
    X, y = data.circles(2000, noise=0.05)
    assert X.shape == (2000, 2)
    assert y.bincount().tolist() == [1000, 1000]
    radius = X.norm(dim=1)
    assert radius[y == 0].mean() == pytest.approx(1.0, abs=0.02)
    assert radius[y == 1].mean() == pytest.approx(0.5, abs=0.02)


def test_same_seed_same_circles_other_seed_others() -> None:
    assert torch.equal(data.circles(10, seed=1)[0], data.circles(10, seed=1)[0])
    assert not torch.equal(data.circles(10, seed=1)[0], data.circles(10, seed=2)[0])


def test_sine_is_the_recipe() -> None:
    X, y = data.sine()
    assert X.shape == y.shape == (128, 1)
    assert X[[0, -1], 0].tolist() == [-2, 2]
    assert torch.allclose(y, torch.sin(2 * X))


def test_regression_lies_round_its_line() -> None:
    X, y = data.regression(4000, slope=2, intercept=1, noise=0.1)
    assert (y - 2 * X - 1).std() == pytest.approx(0.1, abs=0.01)


def test_loader_gives_each_example_once_and_a_new_order_each_pass() -> None:
    X = torch.arange(10.0).unsqueeze(1)
    loader = data.loader(X, torch.arange(10), batch_size=4)
    first, second = ([y for _, ys in loader for y in ys.tolist()] for _ in range(2))
    assert sorted(first) == sorted(second) == list(range(10))
    assert first != second


def test_batches_keep_x_and_y_together() -> None:
    X = torch.arange(10.0).unsqueeze(1)
    for x, y in data.batches(X, torch.arange(10), 3, data.generator_of(0)):
        assert x[:, 0].tolist() == y.tolist()


def test_nothing_touches_the_global_random_state() -> None:
    before = torch.get_rng_state()
    X, y = data.circles(20)
    data.regression(20)
    list(data.loader(X, y, batch_size=8))
    MLP(2, 4, 2, seed=3)
    with seeded(5):
        torch.rand(3)
    assert torch.equal(torch.get_rng_state(), before)


def test_an_mlp_with_a_seed_has_the_same_weights_each_time() -> None:
    first, second = MLP(3, 4, 2, seed=0), MLP(3, 4, 2, seed=0)
    for a, b in zip(first.parameters(), second.parameters(), strict=True):
        assert torch.equal(a, b)


def test_an_mlp_ends_in_logits() -> None:
    model = MLP(784, 128, 10)
    assert sum(p.numel() for p in model.parameters()) == 101_770
    assert isinstance(model.layers[-1], torch.nn.Linear)
