"""The environments in which the course is replayed: what is set, which Python, which PyTorch."""

import locale
import os
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache


@dataclass(frozen=True)
class Place:
    """``python`` is a version such as "3.13", "" for the one that runs; ``torch`` is "oldest" or
    "newest", "" for the one that is installed."""

    name: str
    variables: Mapping[str, str] = field(default_factory=dict)
    python: str = ""
    torch: str = ""


#: PyTorch takes these kernels where it is asked to; the processor must have them. The first are the plainest,
#: which every processor has and whose results differ most from those of a new one.
CAPABILITIES = ("default", "avx2", "avx512")


def _locale() -> str:
    """One that writes numbers and dates in another way, where the system has one."""
    usual = locale.setlocale(locale.LC_ALL)
    try:
        for name in ("de_DE.UTF-8", "fr_FR.UTF-8", "tr_TR.UTF-8"):
            try:
                locale.setlocale(locale.LC_ALL, name)
                return name
            except locale.Error:
                continue
        return "C"
    finally:
        locale.setlocale(locale.LC_ALL, usual)


PLACES = (
    Place("as it is"),
    *(Place(name, {"ATEN_CPU_CAPABILITY": name}) for name in CAPABILITIES),
    Place("4 threads", {"OMP_NUM_THREADS": "4", "MKL_NUM_THREADS": "4"}),
    Place("oneDNN avx2", {"ONEDNN_MAX_CPU_ISA": "AVX2"}),
    Place("MKL avx2", {"MKL_ENABLE_INSTRUCTIONS": "AVX2"}),
    Place("MKL compatible", {"MKL_CBWR": "COMPATIBLE"}),
    Place(
        "old processor",
        {
            "ATEN_CPU_CAPABILITY": "default",
            "MKL_CBWR": "SSE4_2",
            "MKL_ENABLE_INSTRUCTIONS": "SSE4_2",
            "ONEDNN_MAX_CPU_ISA": "SSE41",
        },
    ),
    Place(
        "other country",
        {
            "LC_ALL": _locale(),
            "LANG": _locale(),
            "TZ": "Pacific/Auckland",
            "PYTHONHASHSEED": "12345",
        },
    ),
    Place("Python 3.12", python="3.12"),
    Place("Python 3.13", python="3.13"),
    Place("oldest PyTorch", torch="oldest"),
    Place("newest PyTorch", torch="newest"),
)


def named(name: str) -> Place:
    """The place of that name."""
    return next(place for place in PLACES if place.name == name)


#: Set in the weekly workflow: then tests take all the places for which one stands on each push.
WEEKLY = "COURSE_EVERYWHERE" in os.environ


@cache
def capabilities() -> tuple[str, ...]:
    """Those of ``CAPABILITIES`` that this processor has."""
    return tuple(name for name in CAPABILITIES if _in_force(name) == name.upper())


@cache
def own_capability() -> str:
    """The one that PyTorch takes unasked, here and now."""
    return _in_force(os.environ.get("ATEN_CPU_CAPABILITY")).lower()


def _in_force(name: str | None) -> str:
    """What PyTorch says of its kernels when it is asked for these."""
    program = "import torch; print(torch.backends.cpu.get_cpu_capability())"
    asked = {} if name is None else {"ATEN_CPU_CAPABILITY": name}
    done = subprocess.run(
        [sys.executable, "-c", program],
        env={**os.environ, **asked},
        capture_output=True,
        text=True,
        check=True,
    )
    return done.stdout.strip()
