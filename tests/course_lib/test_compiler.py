"""PyTorch's compiler is imported when something is compiled; until then optimizers do without."""

import os
import subprocess
import sys

import pytest

from grading.paths import REPOSITORY

_STEP = """
import sys
import torch
from course_lib import compiler
compiler.postpone()
w = torch.ones(3, requires_grad=True)
for kind in (torch.optim.SGD, torch.optim.Adam):
    optimizer = kind([w], lr=0.1)
    scheduler = torch.optim.lr_scheduler.StepLR(optimizer, 1)
    (w * w).sum().backward()
    optimizer.step()
    scheduler.step()
    optimizer.zero_grad()
    optimizer.load_state_dict(optimizer.state_dict())
compiled = [name for name in sys.modules if name.startswith("torch._dynamo.")]
assert not compiled, compiled[:5]
"""


def _printed(code: str) -> str:
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=REPOSITORY, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def _holds(code: str) -> None:
    _printed(_STEP + code)


def test_optimizers_step_without_it():
    _holds("import inspect; inspect.getmodule(inspect.stack()[0].frame)")


#: Each needs the real compiler in another way.
_ASKING = (
    "assert torch.compile(lambda x: x + 1, backend='eager')(torch.ones(1)).item() == 2",
    "import torch._dynamo.config as it; assert it is torch._dynamo.config",
    "from torch._dynamo import config as it; assert it is sys.modules['torch._dynamo.config']",
    "from torch._dynamo.utils import counters as it\n"
    "assert it is torch._dynamo.utils.counters and torch._dynamo.utils.__spec__.origin",
    "torch._dynamo.reset()",
    "import torch._dynamo; torch._dynamo.reset(); import torch._dynamo.backends.registry",
)
#: Each in a process of its own, which is forked where everything else is imported.
_FORKS = f"""
import os
import traceback
for code in {_ASKING!r}:
    child = os.fork()
    if child == 0:
        try:
            exec(code)
            assert torch._dynamo.__file__ and torch._dynamo is sys.modules['torch._dynamo']
        except BaseException:
            print(code, traceback.format_exc(), flush=True)
        os._exit(0)
    assert os.waitpid(child, 0)[1] == 0, code
print("all asked")
"""


@pytest.mark.slow
@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")
def test_the_real_one_is_there_for_who_asks():
    assert _printed(_STEP + _FORKS) == "all asked\n"


@pytest.mark.slow
def test_what_is_compiled_after_steps_trains_as_it_always_does():
    train = """
torch.manual_seed(0)
model = torch.nn.Linear(3, 1)
optimizer = torch.optim.Adam(model.parameters(), lr=0.1)
def step(x):
    optimizer.zero_grad()
    loss = model(x).square().mean()
    loss.backward()
    optimizer.step()
    return loss
compiled = torch.compile(step, backend="eager")
print([compiled(torch.ones(4, 3)).item() for _ in range(4)])
"""
    assert _printed(_STEP + train) == _printed(f"import torch, torch._dynamo\n{train}")


def test_a_compiler_that_is_there_stays():
    code = "import torch, torch._dynamo as real\nfrom course_lib import compiler\ncompiler.postpone()\n"
    code += "import torch._dynamo\nassert torch._dynamo is real and real.__file__"
    subprocess.run([sys.executable, "-c", code], cwd=REPOSITORY, check=True)


def test_without_torch_nothing_is_imported():
    code = "import sys\nfrom course_lib import compiler\ncompiler.postpone()\n"
    code += "assert 'torch' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], cwd=REPOSITORY, check=True)
