"""What the chapters claim holds on every kind of processor: the tests that assert it, run again in a
process whose PyTorch takes other kernels, and in one whose products have noise."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.everywhere.places import CAPABILITIES, WEEKLY, capabilities, own_capability

pytestmark = [pytest.mark.slow, pytest.mark.apart]

#: Where claims of the chapters are asserted.
CLAIMS = (
    "tests/everywhere/test_chapter_claims.py",
    "tests/course_lib/simulations/test_dashboard.py",
    "tests/course_lib/simulations/test_optimizer_race.py",
    "tests/course_lib/simulations/test_crash_and_resume.py",
    "tests/course_lib/simulations/test_early_stopping.py",
    "tests/course_lib/simulations/test_attention_map.py",
    "tests/course_lib/simulations/test_data_parallel.py",
    "tests/course_lib/simulations/test_policy_gradient.py",
)
#: Not on reproducibility: that a run repeats itself to the last bit is what noise takes away.
_NOT_UNDER_NOISE = "same_settings or everything_saved_it_is_the_same_run or plain_optimizer"


def claims(repository: Path, *options: str, **variables: str) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *options, *CLAIMS],
        cwd=repository,
        env={**os.environ, "OMP_NUM_THREADS": "1", **variables},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout[-4000:] + done.stderr[-1000:]


@pytest.mark.parametrize("capability", CAPABILITIES)
def test_the_claims_hold_under(capability: str, repository: Path) -> None:
    if not WEEKLY:
        pytest.skip("the run with noise stands for it; set COURSE_EVERYWHERE=1")
    if capability not in capabilities():
        pytest.skip(f"this processor has no {capability}")
    if capability == own_capability():
        pytest.skip("the tests themselves run with these")
    claims(repository, ATEN_CPU_CAPABILITY=capability)


@pytest.mark.parametrize("seed", ["1", "2"] if WEEKLY else ["1"])
def test_the_claims_hold_under_noise(seed: str, repository: Path) -> None:
    """On each push with the plainest kernels too, whose results differ most from this processor's own."""
    options = ("-p", "tests.everywhere.noisy_process", "-k", f"not ({_NOT_UNDER_NOISE})")
    kernels = {} if WEEKLY else {"ATEN_CPU_CAPABILITY": CAPABILITIES[0]}
    claims(repository, *options, COURSE_NOISE=seed, **kernels)
