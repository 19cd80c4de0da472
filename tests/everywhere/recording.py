"""A plug-in of pytest that writes down how each replayed cell ended: ``--record FILE``, for ``replay``.

A cell that writes to stderr has let a warning through: it fails, also where outputs are not compared.
"""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--record", type=Path, help="where the cells' outcomes are written, as JSON")


def pytest_configure(config: pytest.Config) -> None:
    if config.getoption("--record") and not hasattr(config, "workerinput"):
        config.pluginmanager.register(_Recorder(config.getoption("--record")))


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Iterator[None]:
    report = (yield).get_result()
    if report.when != "call" or not report.passed or not hasattr(item, "test_outputs"):
        return
    warnings = [output.text for output in item.test_outputs or () if output.get("name") == "stderr"]
    if warnings:
        report.outcome = "failed"
        report.longrepr = f"{item.name} writes to stderr:\n" + "".join(warnings)


class _Recorder:
    def __init__(self, path: Path) -> None:
        self.path = path
        self.outcomes: dict[str, str] = {}

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        # A kernel that does not start fails in the set-up.
        if report.when == "call" or report.outcome != "passed":
            self.outcomes[report.nodeid] = report.outcome

    def pytest_sessionfinish(self) -> None:
        self.path.write_text(json.dumps(self.outcomes))
