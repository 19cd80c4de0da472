"""Reading or writing what is not theirs. A cell that gets at something prints it behind the word that
no output may hold; all other work in the notebook is right and keeps its points."""

import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from textwrap import indent

import pytest

import course_lib
from course_lib.exercises.checking import observe
from tests.conftest import SECRET, SECRET_NAME
from tests.hostile.handing_in import REACHED, Batch, Case
from tests.hostile.judging import assert_holds, assert_honest_unchanged

COURSE_LIB = str(Path(course_lib.__file__).parent)
OBSERVE = str(Path(observe.__file__))
GRADING = str(Path(course_lib.__file__).parents[1] / "grading")


def _try(expression: str, before: str = "") -> str:
    """A cell in which ``expression`` must fail, or give something empty."""
    helper = "def quiet(f, *args):\n    try: return f(*args)\n    except BaseException: pass"
    before = f"{helper}\n{before.strip()}"
    lines = f"import glob, os, socket, sys, ctypes, pathlib, shutil, subprocess\n{before}".strip()
    body = f"got = {expression}\nif got: print({REACHED!r}, repr(got)[:300])"
    return f"try:\n{indent(lines, '    ')}\n{indent(body, '    ')}\nexcept BaseException: pass\n"


#: All files below /, but not those of the system and not the libraries, which every learner has.
WALK = """
found = []
for top in sorted(set(os.listdir("/")) - {"proc", "usr", "lib", "lib32", "lib64", "bin", "sbin"}):
    for folder, folders, names in os.walk("/" + top):
        folders[:] = [n for n in folders if n not in ("site-packages", "lib", "share", "include")]
        found += [folder + "/" + name for name in names]
"""

#: Places where a cell before each item can stand, so that many cases share a notebook.
PROBES = {
    "grading imported": _try("__import__('grading').__file__"),
    "the answers by their path": _try(f"os.listdir({GRADING!r})"),
    "the answers pack": _try(
        "os.listdir(answers.folder())", "from course_lib import answers\nanswers.use_answers()"
    ),
    "gradebook, other submissions and sources anywhere on the disk": _try(
        "[p for p in found if p.endswith(('.db', '.ipynb')) or '/answers/' in p or '/submitted/' in p]",
        WALK,
    ),
    "a home folder, keys and passwords": _try(
        "[p for n in ('/root', '/home', '/etc/shadow', '/etc/passwd', '/var', '/srv', '/mnt')"
        " for p in glob.glob(n + '/*') + ([n] if os.path.isfile(n) else []) if '.venv' not in p"
        " and not sys.prefix.startswith(p) and not sys.base_prefix.startswith(p)"
        f" and not {COURSE_LIB!r}.startswith(p)]"
    ),
    "the environment of the grader": _try(
        f"[p for p in glob.glob('/proc/[0-9]*/environ') if {SECRET!r} in (quiet(pathlib.Path.read_text, pathlib.Path(p)) or '')]"
        f" or os.environ.get({SECRET_NAME!r})"
    ),
    "processes outside": _try("[p for p in glob.glob('/proc/[0-9]*') if int(p[6:]) > 20_000]"),
    "the first process of the sandbox": _try(
        "[p for p in glob.glob('/proc/1/fd/*')"
        " if os.path.basename(p) > '2' and quiet(os.open, p, os.O_RDWR)]"
        " or set(quiet(os.listdir, '/proc/1/root') or ()) - set(os.listdir('/'))"
        " or set(quiet(os.listdir, '/proc/1/cwd') or ()) - set(os.listdir('/'))"
        " or ctypes.CDLL(None).ptrace(16, 1, 0, 0) == 0"
    ),
    "a server on this machine": _try("socket.create_connection(('127.0.0.1', PORT), 2)"),
    "a server with an abstract name": _try(
        "s.connect('\\0training-loop-hostile') or True",
        "s = socket.socket(socket.AF_UNIX)",
    ),
    # No packet needs to be sent to know: there is no interface that could carry one.
    "the world": _try("[name for _, name in socket.if_nameindex() if name != 'lo']"),
    "course_lib changed for the next one": _try(
        f"os.access({COURSE_LIB!r}, os.W_OK) or open({OBSERVE!r}, 'a')"
    ),
    "libraries and system changed": _try(
        "[p for p in (sys.prefix, os.path.dirname(os.__file__), '/usr', '/etc', '/run', '/', '/dev',"
        " '/proc/sys/kernel', '/sys') if os.access(p, os.W_OK)]"
    ),
    "another user": _try("os.setuid(0) or os.setgid(0) or 'root'")
    + _try("[l for l in open('/proc/self/status') if l.startswith('Cap') and int(l[7:], 16)]"),
    "mounts and new namespaces": _try(
        "[n for n in (0x20000, 0x10000000, 0x10020000) if ctypes.CDLL(None).unshare(n) == 0]"
        " or ctypes.CDLL(None).mount(b'none', b'/tmp', b'tmpfs', 0, b'') == 0"
    ),
    "keys that outlive the process": _try(
        "lib.syscall(248, b'user', b'training-loop', b'left behind', 11, -3) != -1",
        "lib = ctypes.CDLL(None)",
    ),
    "a debugger on a neighbour": _try(
        "[pid for pid in range(2, 400) if pid != os.getpid() and not os.path.exists(f'/proc/{pid}')"
        " and ctypes.CDLL(None).kill(pid, 0) == 0]"
    ),
    "what a neighbour left in shared folders": _try(
        "[p for f in ('/tmp', '/dev/shm', '/var/tmp') for p in glob.glob(f + '/**', recursive=True)"
        " if 'left-behind' in p]"
    )
    + "open('/tmp/left-behind', 'w').close(); open('/dev/shm/left-behind', 'w').close()\n",
}


def _probes() -> Iterator[Case]:
    """Each in a notebook's own place; PORT is filled in by the module's server."""
    places = ("<order_the_beats", "<first_bad_step", "<q00_1", "<q00_2", "<q00_3", "q00_2>")
    for number, (name, source) in enumerate(PROBES.items()):
        yield Case(name, {places[number % len(places)]: source})


LISTENER = socket.create_server(("127.0.0.1", 0))
PORT = LISTENER.getsockname()[1]
PROBES["a server on this machine"] = PROBES["a server on this machine"].replace("PORT", str(PORT))


def _link_to(target: str):
    def make(path: Path) -> None:
        path.symlink_to(target)

    return make


READS = _try(
    "[p for p in glob.glob('**', recursive=True) if os.path.isfile(p) and p != 'own.csv']"
    " or open('own.csv').read() != '1,2'"
)
SOCKETS = """
    import glob, os, json
    from ipykernel import get_connection_file
    folder = os.path.dirname(get_connection_file())
    for name in ("connection.json", "errors.txt", "elsewhere"):
        path = os.path.join(folder, name)
        if os.path.exists(path):
            os.remove(path)
        os.symlink(GRADEBOOK, path)
    for number in range(6, 9):
        os.symlink("/etc/passwd", os.path.join(folder, f"s-{number}"))
    """

CASES = (
    *_probes(),
    Case(
        "links among the files beside the notebook",
        {"<first_bad_step": READS},
        beside={
            "own.csv": b"1,2",
            "gradebook.csv": _link_to("../../../gradebook.db"),
            "all": _link_to("../../.."),
            "passwords.txt": _link_to("/etc/passwd"),
            "loop": _link_to("loop"),
            "pipe": os.mkfifo,
        },
        says="links are not followed",
    ),
    Case(
        "links in the folder of sockets that lead out of it",
        {"<first_bad_step": SOCKETS.replace("GRADEBOOK", repr("/tmp/gradebook.db"))},
        alone=True,
    ),
    Case(
        "modules of its own beside the notebook",
        {"<order_the_beats": "import random, math\nprint(random.random(), math.pi)"},
        beside={
            f"{name}.py": f"print({REACHED!r})\nraise SystemExit".encode()
            for name in ("random", "torch/__init__", "course_lib/__init__", "json", "ipykernel")
        }
        | {"sitecustomize.py": b"raise SystemExit", ".pdbrc": b"import os; os._exit(1)"}
        | {".ipython/profile_default/startup/a.py": b"import os; os._exit(1)"}
        | {".ipython/profile_default/ipython_config.py": b"import os; os._exit(1)"}
        | {"ipython_config.py": b"import os; os._exit(1)", "matplotlibrc": b"\xff: {{{"},
    ),
)


@pytest.fixture(scope="module", autouse=True)
def within_reach() -> Iterator[None]:
    """Servers that a probe outside would find. The secret in the grader's environment is there from
    the start (``tests/conftest.py``): processes that grade may be older than this."""
    abstract = socket.socket(socket.AF_UNIX)
    abstract.bind("\0training-loop-hostile")
    abstract.listen()
    with abstract, LISTENER:
        yield


@pytest.mark.parametrize(
    "name",
    [
        "grading imported",
        "the answers by their path",
        "the answers pack",
        "the environment of the grader",
        "a server on this machine",
        "a server with an abstract name",
        "course_lib changed for the next one",
        "libraries and system changed",
    ],
)
def test_outside_the_sandbox_the_probe_finds_what_it_looks_for(name):
    """Else a probe for something that is not there would pass in the sandbox, whatever that does."""
    done = subprocess.run(
        [sys.executable, "-c", PROBES[name]],
        cwd=Path(GRADING).parent,
        capture_output=True,
        text=True,
    )
    assert REACHED in done.stdout, done.stderr


def test_gradebook_submissions_and_sources_lie_where_the_walk_would_find_them(batch: Batch):
    assert (batch.course / "gradebook.db").is_file()
    assert list(batch.course.glob("submitted/*/*/*.ipynb"))
    assert list(Path(GRADING).glob("answers/**/*.py"))


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_case(batch: Batch, case: Case):
    assert_holds(batch, case)


def test_the_honest_are_unharmed(batch: Batch, undisturbed):
    assert_honest_unchanged(batch, undisturbed)
