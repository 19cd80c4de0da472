"""Submissions that share a sandbox, one after the other: each hostile one between two honest learners
whose marks, rows and files have to come out as if nobody else had been there.

The honest leave their work lying about everywhere for the next one to find, and print all that they
find: a difference anywhere is a difference in their files. A hostile one may break the sandbox
(``spoils``), which is then thrown away; all others have to share it with both their neighbours.
"""

from dataclasses import dataclass, field
from pathlib import Path
from textwrap import indent
from typing import Any

import pytest

from grading.classroom import grade_class
from grading.classroom.grade_class import Result, grade_submissions
from grading.classroom.workers import Here
from grading.intake.released import read_release
from grading.intake.submissions import SECRET, submissions
from grading.runner.run import Job, RunRecord, run
from grading.runner.zygote import Zygote, can_fork, close_idle
from tests.hostile.handing_in import CHAPTER, FULL, SHORT, Case, fresh_course, hand_in, left_by

pytestmark = pytest.mark.slow

#: What the honest leave: never in one piece in a source, so that whoever looks finds no own words.
TREASURE = 'f"honest-work-{271828}"'
MARK = b"honest-work-271828"
WHOSE = "whose.txt"

#: Prints everything that could be found changed, alike in every fresh sandbox; then leaves things.
HONEST_CELLS = {
    "<order_the_beats": """
        import glob, os, resource, signal, socket, stat, subprocess, sys, threading, torch
        from ipykernel import get_connection_file
        sockets = os.path.dirname(get_connection_file())
        box = os.path.dirname(sockets)
        for folder in (".", box, "/tmp/home", "/tmp/matplotlib", "/dev/shm", "/dev/pts"):
            for path in sorted(glob.glob(folder + "/**", recursive=True, include_hidden=True)):
                status = os.lstat(path)
                if not stat.S_ISSOCK(status.st_mode):
                    print(path.replace(box, "BOX"), oct(status.st_mode), status.st_mtime > 1e9,
                          os.listxattr(path, follow_symlinks=False))
        print(sorted(name for name in os.listdir("/tmp") if "/tmp/" + name != box), os.getcwd())
        print({name: text.replace(box, "BOX") for name, text in sorted(os.environ.items())})
        print([n for n in os.listdir("/proc") if n.isdigit() and int(n) not in (1, os.getpid())])
        print([open("/proc/net/" + name).read().count("\\n") for name in ("tcp", "tcp6", "udp", "raw")])
        print([line for line in open("/proc/net/unix") if "@" in line])
        print([open("/proc/sysvipc/" + name).read().count("\\n") for name in ("shm", "msg", "sem")])
        print([resource.getrlimit(getattr(resource, n)) for n in dir(resource) if n[:7] == "RLIMIT_"])
        print(os.getpriority(os.PRIO_PROCESS, 0), os.sched_getscheduler(0), os.sched_getaffinity(0))
        print([str(signal.getsignal(n)).split(" at 0x")[0] for n in sorted(signal.valid_signals())])
        print(sorted(thread.name.split("-")[0] for thread in threading.enumerate()), sys.path)
        print([str(finder).split(" at 0x")[0] for finder in sys.meta_path])
        print(oct(os.umask(0o22)), open("/proc/self/oom_score_adj").read(), hasattr(torch, "stolen"))
        print(sorted(set(vars(__builtins__)) - {"__IPYTHON__", "display"}), len(sys.modules))
        """,
    "<q00_3": f"""
        treasure = {TREASURE}
        os.environ["TREASURE"] = torch.stolen = treasure
        for place in (".", "/tmp", "/tmp/home", "/dev/shm", "/tmp/matplotlib", sockets):
            with open(f"{{place}}/treasure", "w") as file:
                print(treasure, file=file)
        listener = socket.socket(socket.AF_UNIX)
        listener.bind("\\0" + treasure)
        listener.listen()
        helper = subprocess.Popen(["sleep", "60"], start_new_session=True)
        """,
}


@dataclass(frozen=True)
class Neighbour:
    """``cells`` and ``points`` as of a ``Case``. After one that ``spoils`` it the sandbox is another."""

    name: str
    cells: dict[str, str]
    points: dict[str, float | None] = field(default_factory=dict)
    spoils: bool = False


def _each(*attempts: str) -> str:
    """A cell of attempts; one that fails keeps none of the others. What somebody gets at that is not
    theirs they pass to ``reached``."""
    lines = [
        "import ctypes, gc, glob, json, os, re, resource, signal, socket, stat, subprocess, sys, threading, time",
        "lib = ctypes.CDLL(None, use_errno=True)",
        "from ipykernel import get_connection_file",
        "sockets = os.path.dirname(get_connection_file())",
        'pattern = re.compile(b"honest" b"-work-" + rb"\\d{6}")',
        "def reached(what):",
        "    if what: print('REA' 'CHED', repr(what)[:300])",
    ]
    for attempt in attempts:
        lines += ["def attempt():", indent(attempt.strip("\n"), "    ")]
        lines += ["try: attempt()", "except (Exception, SystemExit): pass"]
    return "\n".join(lines)


NEIGHBOURS = (
    Neighbour(
        "looks for its neighbour's work",
        {
            "<order_the_beats": _each(
                """
for folder, folders, names in os.walk("/"):
    folders[:] = [n for n in folders if n not in ("site-packages", "proc", "usr", "sys", "lib")]
    reached([name for name in names + folders if "treasure" in name])
""",
                "reached([k for k, v in os.environ.items() if pattern.search(v.encode())])",
                "reached([m for m in (os, sys.modules['torch']) if hasattr(m, 'stolen')])",
                """
for path in glob.glob("/proc/[0-9]*/environ") + glob.glob("/proc/[0-9]*/cmdline"):
    try:
        reached(pattern.findall(open(path, "rb").read()))
    except OSError:
        pass
""",
                "reached([p for p in glob.glob('/proc/[0-9]*/comm') if 'sleep' in open(p).read()])",
                "reached(pattern.findall(open('/proc/net/unix', 'rb').read()))",
                "reached(glob.glob('/dev/shm/*') + glob.glob('/dev/mqueue/*'))",
                """
for number in range(3, 500):
    if os.path.exists(f"/proc/self/fd/{number}") and os.path.isfile(f"/proc/self/fd/{number}"):
        reached(pattern.findall(os.pread(number, 10**6, 0)))
""",
                "reached([n for n in os.listdir(sockets) if not re.match('s-[0-9]|connection.json', n)])",
            ),
            # Its own memory is a copy of the zygote's: whatever that ever held of others is in there.
            "<first_bad_step": _each(
                """
own, found = f"honest-work-{314159}", set()
with open("/proc/self/mem", "rb", buffering=0) as memory:
    for line in open("/proc/self/maps"):
        place, rights, *_ = line.split()
        start, end = (int(part, 16) for part in place.split("-"))
        if rights.startswith("rw"):
            memory.seek(start)
            found |= set(pattern.findall(memory.read(end - start)))
reached(found - {own.encode()})
reached("nothing: the search is wrong" * (own.encode() not in found))
""",
            ),
        },
    ),
    Neighbour(
        "leaves files, folders and links everywhere",
        {
            "<order_the_beats": _each(
                *(
                    f"""
place = {place}
for name in ("torch.py", "random.py", "sitecustomize.py", "usercustomize.py", "ipython_config.py", "matplotlibrc"):
    with open(os.path.join(place, name), "w") as file:
        file.write("raise SystemExit")
"""
                    for place in ("'.'", "'/tmp'", "'/tmp/home'", "'/dev/shm'", "'/tmp/matplotlib'")
                ),
                """
for folder in ("/tmp/home/.ipython/profile_default/startup", "/tmp/home/.config/matplotlib",
               "/tmp/home/.local/lib/python3.11/site-packages", "/tmp/home/.jupyter"):
    os.makedirs(folder, exist_ok=True)
    for name in ("00-first.py", "matplotlibrc", "usercustomize.py", "evil.pth", "jupyter_config.py"):
        with open(os.path.join(folder, name), "w") as file:
            file.write("import os; os._exit(1)")
""",
                """
os.chdir("/dev/shm")
for _ in range(1500):
    os.mkdir("deep"); os.chdir("deep")
open("at the bottom", "w").close()
""",
                """
os.mkdir("/tmp/closed"); os.mkdir("/tmp/closed/inner"); os.mkfifo("/tmp/closed/pipe")
os.symlink("/usr", "/tmp/closed/usr"); os.symlink(sockets, "/tmp/closed/sockets")
os.chmod("/tmp/closed/inner", 0); os.chmod("/tmp/closed", 0)
""",
                """
os.symlink("/dev/shm", sockets + "/elsewhere"); os.mkdir(sockets + "/folder")
for number in range(1, 100):
    os.symlink("/dev/null", f"{sockets}/s-{number + 10}")
""",
                """
for folder in ("/tmp/home", "/tmp", "/dev/shm", sockets):
    os.utime(folder, (271828, 271828))
    os.chmod(folder, 0o711)
    os.setxattr(folder, "user.message", b"hello")
""",
                """
for number in range(3000):
    open(f"/tmp/home/{number}", "w").close()
""",
                """
for folder in ("/dev/shm", "/tmp"):
    with open(folder + "/large", "wb") as file:
        for _ in range(60): file.write(b"x" * 2**20)
""",
            )
        },
    ),
    Neighbour(
        "leaves processes and threads",
        {
            "<order_the_beats": _each(
                """
if os.fork() == 0:  # one alone, for each counts as much memory as the kernel
    os.setsid()
    if os.fork():
        os._exit(0)
    for number in set(signal.valid_signals()) - {signal.SIGKILL, signal.SIGSTOP}:
        signal.signal(number, signal.SIG_IGN)
    lib.prctl(4, 0, 0, 0, 0)  # nobody looks into it
    end = time.monotonic() + 60
    while time.monotonic() < end:
        for folder in ("/tmp", "/dev/shm", sockets):
            try: open(f"{folder}/again-{os.getpid()}", "w").close()
            except OSError: pass
        time.sleep(0.05)
    os._exit(0)
""",
                """
for _ in range(5):
    script = "trap '' TERM HUP INT; while :; do : > /tmp/again; sleep 0.05; done"
    subprocess.Popen(["sh", "-c", script], start_new_session=True)
""",
                """
stopped = subprocess.Popen(["sleep", "60"])
stopped.send_signal(signal.SIGSTOP)
""",
                """
keeper = socket.socket(socket.AF_UNIX)
keeper.bind("\\0left-behind")
keeper.listen()
one, other = socket.socketpair()
socket.send_fds(one, [b"x"], [keeper.fileno(), one.fileno(), other.fileno()])
""",
                """
for _ in range(20):
    threading.Thread(target=time.sleep, args=(60,), daemon=True).start()
""",
            )
        },
    ),
    Neighbour(
        "patches what all kernels have in common",
        {
            "<q00_3": """
                import builtins, math, os, random, sys, torch, numpy, signal
                from course_lib.exercises.checking import observe
                observe.remote = observe.remote_value = lambda *arguments: "QUFBQQ=="
                torch.Tensor.backward = torch.Tensor.__add__ = lambda *arguments: None
                torch.stolen = True
                math.inf, math.isfinite, builtins.len = 0.0, bool, lambda thing: 0
                sys.modules["json"] = sys.modules["random"] = None
                sys.path[:], sys.meta_path[:] = [], []
                signal.signal(signal.SIGTERM, signal.SIG_IGN)
                os.umask(0o777)
                """
        },
    ),
    Neighbour(
        "sends the zygote every signal",
        {
            "<q00_1": _each(
                """
for number in sorted(signal.valid_signals()):
    for target in (1, -1) if number in (signal.SIGSTOP, signal.SIGCONT, signal.SIGWINCH) else (1,):
        try: os.kill(target, number)
        except OSError: pass
for _ in range(100_000):
    os.kill(1, signal.SIGCHLD)
""",
                "subprocess.run(['sh', '-c', 'kill -KILL 1; kill -STOP 1; kill -INT 1'])",
                "lib.syscall(424, os.pidfd_open(1), int(signal.SIGKILL), None, 0)",
            )
        },
        dict.fromkeys(FULL),
    ),
    Neighbour(
        "reaches for the zygote's memory, files and socket",
        {
            "<order_the_beats": _each(
                "reached(open('/proc/1/mem', 'rb'))",
                "reached(open('/proc/1/maps').read())",
                "reached(open('/proc/1/environ').read())",
                "reached(os.readlink('/proc/1/cwd') + os.readlink('/proc/1/root'))",
                "reached([n for n in os.listdir('/proc/1/fd') if os.readlink('/proc/1/fd/' + n)])",
                "reached([n for n in range(40) if os.open(f'/proc/1/fd/{n}', os.O_RDWR)])",
                "reached(open('/proc/1/oom_score_adj', 'w').write('1000'))",
                "reached(lib.ptrace(16, 1, 0, 0) == 0 or lib.ptrace(0x4206, 1, 0, 0) == 0)",
                """
for number in range(40):
    reached(lib.syscall(438, os.pidfd_open(1), number, 0) >= 0)
""",
                """
buffer = ctypes.create_string_buffer(8)
class IoVec(ctypes.Structure):
    _fields_ = [("base", ctypes.c_void_p), ("length", ctypes.c_size_t)]
here, there = IoVec(ctypes.addressof(buffer), 8), IoVec(id(None), 8)
reached(lib.process_vm_readv(1, ctypes.byref(here), 1, ctypes.byref(there), 1, 0) > 0)
reached(lib.process_vm_writev(1, ctypes.byref(here), 1, ctypes.byref(there), 1, 0) > 0)
""",
                # Is there an end of the control socket in its own hands? Then say that all is clean.
                """
for number in range(3, 500):
    try:
        mode = os.fstat(number).st_mode
    except OSError:
        continue
    if stat.S_ISSOCK(mode):
        s = socket.socket(fileno=os.dup(number))
        if s.type == socket.SOCK_SEQPACKET:
            reached(s.send(json.dumps({"clean": "", "ended": 0, "forked": 1}).encode()))
""",
            ),
        },
    ),
    Neighbour(
        "turns down the zygote's limits",
        {
            "<q00_3": _each(
                "resource.prlimit(1, resource.RLIMIT_NOFILE, (8, 8))",
                "resource.prlimit(1, resource.RLIMIT_FSIZE, (10, 10))",
                "resource.prlimit(1, resource.RLIMIT_STACK, (2**20, 2**20))",
            )
        },
        spoils=True,
    ),
    Neighbour(
        "turns down the zygote's priority",
        {
            "<q00_3": _each(
                "os.setpriority(os.PRIO_USER, 0, 10)",
                "os.sched_setscheduler(1, os.SCHED_IDLE, os.sched_param(0))",
                "os.sched_setaffinity(1, {min(os.sched_getaffinity(0))})",
            )
        },
        spoils=True,
    ),
    Neighbour(
        "moves a folder of the sandbox aside",
        {
            "<q00_3": _each(
                """
os.rename("/tmp/matplotlib", "/tmp/aside")
os.mkdir("/tmp/matplotlib")
""",
            )
        },
        spoils=True,
    ),
    Neighbour(
        "leaves a connection that outlives it",
        {
            "<q00_3": _each(
                """
server = socket.create_server(("127.0.0.1", 0))
client = socket.create_connection(server.getsockname())
accepted, _ = server.accept()
client.close(); accepted.close()
"""
            )
        },
        spoils=True,
    ),
    Neighbour(
        "uses up files and processes, then dies",
        {
            "q00_3": 'q00_3 = "A"\n'
            + _each(
                """
for _ in range(25):
    subprocess.Popen(["sleep", "60"])
""",
                """
kept = []
while True:
    kept.append(socket.socketpair())
""",
            )
            + "\nos.kill(os.getpid(), 9)",
        },
        {"q00_3": None},
    ),
)


@dataclass(frozen=True)
class Row:
    """A class graded one by one. ``sandboxes[learner]`` are those in which a learner's kernels ran."""

    course: Path
    results: dict[str, Result]
    sandboxes: dict[str, list[int]]


def _learners(number: int) -> tuple[str, str, str]:
    """The honest one before the neighbour of this number, that one, and the honest one after it."""
    return f"{number:02}-a-honest", f"{number:02}-b-hostile", f"{number + 1:02}-a-honest"


def _grade_in_a_row(course: Path, selected: list[Neighbour]) -> Row:
    """Honest, hostile, honest, ... one after the other in this process."""
    release = read_release(course / "release" / CHAPTER.id / f"{CHAPTER.id}.ipynb")
    for number in range(len(selected) + 1):
        # The name is in a file, so that no submission is the same as another: none is looked up.
        honest, hostile, _ = _learners(number)
        beside = {"own.txt": MARK, WHOSE: honest.encode()}
        hand_in(course, honest, release, [Case("", HONEST_CELLS, beside=beside)])
        if number < len(selected):
            cells = selected[number].cells
            hand_in(course, hostile, release, [Case("", cells, beside={WHOSE: hostile.encode()})])
    sandboxes: dict[str, list[int]] = {}
    used: list[int] = []
    fork = Zygote.fork

    def noted_fork(zygote: Zygote, told: dict[str, Any]) -> Any:
        used.append(zygote.pid)
        return fork(zygote, told)

    def noted_run(job: Job) -> RunRecord:
        used.clear()
        record = run(job)
        sandboxes[job.companions[WHOSE].decode()] = list(used)
        return record

    close_idle()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(grade_class, "Limits", lambda: SHORT)
        patch.setattr(Zygote, "fork", noted_fork)
        handed_in = submissions(course / "submitted", CHAPTER)
        graded = list(grade_submissions(CHAPTER, course, handed_in, True, Here(noted_run)))
    close_idle()
    return Row(course, {result.learner: result for result in graded}, sandboxes)


@pytest.fixture(scope="module")
def selected(request) -> list[Neighbour]:
    """The neighbours that were selected (``-k``)."""
    items = [item for item in request.session.items if item.module is request.module]
    chosen = [item.callspec.params["neighbour"] for item in items if hasattr(item, "callspec")]
    return [neighbour for neighbour in NEIGHBOURS if neighbour in chosen]


@pytest.fixture(scope="module")
def row(sandbox: None, needs, released: Path, tmp_path_factory, selected) -> Row:
    needs(can_fork(), "kernels cannot be forked here")
    course = fresh_course(released, tmp_path_factory.mktemp("row") / "course")
    return _grade_in_a_row(course, selected)


@pytest.fixture(scope="module")
def alone(sandbox: None, needs, released: Path, tmp_path_factory) -> dict[str, Any]:
    """What comes of the honest learner where nobody else was."""
    needs(can_fork(), "kernels cannot be forked here")
    course = fresh_course(released, tmp_path_factory.mktemp("alone") / "course")
    _grade_in_a_row(course, [])
    return _left_by_honest(course, _learners(0)[0])


def _left_by_honest(course: Path, learner: str) -> dict[str, Any]:
    left = left_by(course, learner)
    own = (WHOSE, SECRET)  # another learner's are others
    files = {name: data.decode() for name, data in left["files"].items() if name not in own}
    return {"rows": left["rows"], "files": files}


@pytest.mark.parametrize("neighbour", NEIGHBOURS, ids=lambda neighbour: neighbour.name)
def test_neighbours(row: Row, alone: dict[str, Any], selected, neighbour: Neighbour):
    before, hostile, after = _learners(selected.index(neighbour))
    for learner in (before, after):
        left = _left_by_honest(row.course, learner)
        assert left["rows"] == alone["rows"]
        assert left["files"].keys() == alone["files"].keys()
        for name, text in left["files"].items():
            assert text == alone["files"][name], (learner, name)
    outcome = row.results[hostile].outcome
    assert outcome is not None, row.results[hostile].problem
    for item in outcome.items:
        name = item.grade_id.removesuffix("__test")
        wanted = neighbour.points.get(name, FULL[name])
        assert wanted is None or item.score == wanted, (item, outcome.problems)
    printed = left_by(row.course, hostile)["files"][f"{CHAPTER.id}.ipynb"].decode()
    assert "REACHED" not in printed, printed[printed.find("REACHED") :][:300]
    assert "SyntaxError" not in printed, "the case is misspelt"
    assert row.sandboxes[hostile][0] == row.sandboxes[before][-1]
    shared = row.sandboxes[after][0] == row.sandboxes[hostile][-1]
    assert shared is not neighbour.spoils
