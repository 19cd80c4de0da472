"""The keys of the ten questions before and the ten after the course (``course_lib.gain``), each with what
PyTorch computes for it where it states behaviour."""

from collections.abc import Callable, Mapping

import torch
from torch import nn
from torch.nn import functional as F
from torch.utils.data import DataLoader, TensorDataset

KEYS = {
    "before": "CADBCADBBC",
    "after": "BDBCACADBB",
}


def _shape(n: int, size: int, out: int) -> str:
    return str(list(nn.Linear(size, out)(torch.zeros(n, size)).shape))


def _of_a_guess(classes: int) -> str:
    return f"{F.cross_entropy(torch.zeros(1, classes), torch.tensor([0])).item():.2f}"


def _difference(n: int) -> str:
    return str(list((torch.zeros(n, 1) - torch.zeros(n)).shape))


def _change(slope: float) -> str:
    w = torch.tensor(0.0, requires_grad=True)
    loss = slope * w
    loss.backward()
    change = w.grad.item() * 0.01
    return f"{'rises' if change > 0 else 'falls'} by about {abs(change):.2f}"


def _after_step(start: float, gradient: float, lr: float) -> str:
    w = torch.tensor(start, requires_grad=True)
    w.grad = torch.tensor(gradient)
    torch.optim.SGD([w], lr=lr).step()
    return f"{w.item():.1f}"


def _added(*gradients: float) -> str:
    w = torch.tensor(1.0, requires_grad=True)
    for gradient in gradients:
        (gradient * w).backward()
    return f"{w.grad.item():.0f}"


def _updates(n: int, batch_size: int, drop_last: bool) -> str:
    data = TensorDataset(torch.zeros(n))
    return str(len(DataLoader(data, batch_size=batch_size, drop_last=drop_last)))


def _under_no_grad() -> str:
    model, x = nn.Dropout(0.5).train(), torch.ones(64)
    with torch.no_grad():
        return "are the same" if torch.equal(model(x), model(x)) else "differ"


#: By (when, number): how the text of the right option starts.
PROOFS: Mapping[tuple[str, int], Callable[[], str]] = {
    ("before", 2): lambda: _shape(16, 50, 20),
    ("after", 2): lambda: _shape(8, 30, 12),
    ("before", 3): lambda: _of_a_guess(4),
    ("after", 3): lambda: _of_a_guess(8),
    ("before", 4): lambda: _difference(32),
    ("after", 4): lambda: _difference(100),
    ("before", 5): lambda: _change(6.0),
    ("after", 5): lambda: _change(-4.0),
    ("before", 6): lambda: _after_step(1.0, 3.0, 0.1),
    ("after", 6): lambda: _after_step(2.0, -1.0, 0.5),
    ("before", 7): lambda: _added(1.0, 4.0),
    ("after", 7): lambda: _added(2.0, 5.0),
    ("before", 8): lambda: _updates(500, 64, drop_last=False),
    ("after", 8): lambda: _updates(300, 40, drop_last=True),
    ("after", 9): _under_no_grad,
}
