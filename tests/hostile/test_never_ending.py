"""Taking more than its share of time."""

from dataclasses import replace

import pytest

from tests.hostile.handing_in import SHORT, Batch, Case
from tests.hostile.judging import assert_holds, assert_honest_unchanged

#: Each of these costs a whole one of it.
LIMITS = replace(SHORT, cell_seconds=5.0)

CASES = (
    Case(
        "a cell that never ends",
        {"<first_bad_step": "while True: pass"},
        says="interrupted: it was not done after 5 s",
        alone=True,
    ),
    Case(
        "a cell that does not listen",
        {
            "<order_the_beats": """
                import signal
                signal.signal(signal.SIGINT, signal.SIG_IGN)
                while True: pass
                """,
            "first_bad_step": "def first_bad_step(losses, factor=3.0):\n    while True: pass",
        },
        {"first_bad_step": 0.0},
        says="was left out: it was not done after 5 s",
        alone=True,
    ),
    Case(
        "one step of C that takes hours",
        {"<q00_1": "x = 3 ** (10 ** 9)"},
        says="was left out: it was not done after 5 s",
        alone=True,
    ),
    Case(
        "stops itself",
        {"<q00_3": "import os, signal; os.kill(os.getpid(), signal.SIGSTOP)"},
        says="was left out: it was not done after 5 s",
    ),
    Case(
        "asks a question and waits",
        {"<q00_1": "name = input('Your name? ')", "<q00_2": "breakpoint()"},
    ),
)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_case(batch: Batch, case: Case):
    assert_holds(batch, case)


def test_the_honest_are_unharmed(batch: Batch, undisturbed):
    assert_honest_unchanged(batch, undisturbed)
