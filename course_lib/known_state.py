"""PyTorch as it is when it has just been imported, for what the course itself computes.

A learner's cell may have left gradients switched off, another default device or dtype, an autocast
that was never left. Panels and the course's data do not inherit it; afterwards all is as it was.
Used by ``simulations.load`` and by ``data``; ``@known_state()`` runs a function so at each call.
"""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

import numpy as np
import torch


@contextmanager
def known_state() -> Iterator[None]:
    """Inside: gradients recorded, float32 on the CPU, no autocast, one thread, no anomaly mode."""
    with ExitStack() as stack:
        if torch.get_default_device().type != "cpu":  # each call of PyTorch then takes a detour
            stack.enter_context(torch.device("cpu"))
        stack.enter_context(torch.inference_mode(False))
        stack.enter_context(torch.enable_grad())
        stack.enter_context(np.errstate(divide="warn", over="warn", under="ignore", invalid="warn"))
        if torch.is_anomaly_enabled():
            stack.enter_context(torch.autograd.set_detect_anomaly(False))
        if torch.is_autocast_enabled("cpu"):
            stack.callback(torch.set_autocast_enabled, "cpu", True)
            torch.set_autocast_enabled("cpu", False)
        if (dtype := torch.get_default_dtype()) != torch.float32:
            stack.callback(torch.set_default_dtype, dtype)
            torch.set_default_dtype(torch.float32)
        if (threads := torch.get_num_threads()) != 1:  # sums in one fixed order
            stack.callback(torch.set_num_threads, threads)
            torch.set_num_threads(1)
        yield
