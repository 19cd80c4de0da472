"""The zygote: the first process of a sandbox that is used for one submission after another.

``inside`` calls ``serve``, which returns only in a forked child: that becomes the learner's kernel.
As PID 1 it cannot be killed or stopped from inside, adopts every orphan, and ends all with it. It is
not dumpable, so no process inside reads its memory or its files. It never holds anything of a
submission: what is the learner's the child reads for itself, after the fork. Standard library only.

Commands come over one end of a socket pair, a JSON object each; the other end is ``zygote``'s. First
it says ``{"ready": ""}``, or why it cannot be forked. Then

- ``{"do": "fork", ...}`` is answered ``{"forked": PID}`` and later, unasked, ``{"ended": STATUS}``;
- ``{"do": "clean"}`` ends every other process, puts all files back and is answered
  ``{"clean": ""}``, or with why this sandbox is not as it was: then it is not used again;
- ``{"do": "answer"}`` is answered ``{"here": true}``.
"""

import contextlib
import ctypes
import gc
import json
import os
import random
import resource
import select
import signal
import socket
import stat
import sys
from collections.abc import Callable, Iterator

#: More than this is not tidied up but thrown away with the sandbox.
_MOST_FILES = 20_000
#: Process numbers are not given back: a sandbox that has used up many is not used again.
_LAST_PID = 8_000
_PR_SET_DUMPABLE = 4
_LONGEST_COMMAND = 2**16


def serve(control: int, prepare: Callable[[], None]) -> dict:
    """Do as the grader says until it is gone. Returns the command to fork, in the child.

    ``prepare`` is called once, before the first fork: it imports.
    """
    channel = socket.socket(fileno=control)
    _set_dumpable(False)
    prepare()
    files = FilesAtStart(*_writable_mounts())
    files.put_back()
    # A signal with a handler is one that those inside can send to the first process. Of a child's
    # end it only needs to know that it is time to look.
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    woken, waker = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
    signal.set_wakeup_fd(waker, warn_on_full_buffer=False)
    gc.collect()
    gc.freeze()  # a collection in a child would copy every page that it only looks at
    reason = _why_not_forkable({0, 1, 2, control, woken, waker})
    if reason:
        channel.send(json.dumps({"ready": reason}).encode())
        os._exit(0)
    own = _own_state()
    channel.send(json.dumps({"ready": ""}).encode())
    kernel = 0
    while True:
        ready, _, _ = select.select([channel, woken], [], [])
        if woken in ready:
            with contextlib.suppress(BlockingIOError):
                os.read(woken, 4096)
        for pid, status in _ended():
            if pid == kernel:
                channel.send(json.dumps({"ended": status}).encode())
        if channel not in ready:
            continue
        received = channel.recv(_LONGEST_COMMAND)
        if not received:  # the grader is gone, and with the first process goes everything
            os._exit(0)
        command = json.loads(received)
        if command["do"] == "fork":
            kernel = os.fork()
            if kernel == 0:
                channel.close()
                _become_child()
                return command
            channel.send(json.dumps({"forked": kernel}).encode())
        elif command["do"] == "answer":
            channel.send(json.dumps({"here": True}).encode())
        else:
            kernel = 0
            channel.send(json.dumps({"clean": _cleaned(files, own)}).encode())


def _set_dumpable(wanted: bool) -> None:
    if ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_DUMPABLE, int(wanted), 0, 0, 0):
        raise OSError(ctypes.get_errno(), "prctl(PR_SET_DUMPABLE) failed")


def _become_child() -> None:
    """Leave behind what is the zygote's; start as a new process would."""
    signal.set_wakeup_fd(-1)
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    for descriptor in _open_files() - {0, 1, 2}:
        os.close(descriptor)
    os.setsid()
    _set_dumpable(True)
    random.seed()
    if "numpy" in sys.modules:
        sys.modules["numpy"].random.seed()
    if "torch" in sys.modules:
        sys.modules["torch"].default_generator.seed()


def _why_not_forkable(descriptors: set[int]) -> str:
    """A child has one thread, and everything that it could change has to be a copy of its own."""
    if len(os.listdir("/proc/self/task")) != 1:
        return "an import started a thread"
    with open("/proc/self/maps") as maps:
        shared = [line for line in maps if line.split()[1] == "rw-s"]
    if shared:
        return f"an import shares memory with its children ({shared[0].strip()})"
    left = _open_files() - descriptors
    return f"an import left files open ({sorted(left)})" if left else ""


def _open_files() -> set[int]:
    found = set()
    for name in os.listdir("/proc/self/fd"):
        with contextlib.suppress(OSError):  # the one that made this list is closed
            os.fstat(int(name))
            found.add(int(name))
    return found


def _ended() -> Iterator[tuple[int, int]]:
    """Every child that has ended: orphans are children of the first process."""
    while True:
        try:
            pid, status = os.waitpid(-1, os.WNOHANG)
        except ChildProcessError:
            return
        if pid == 0:
            return
        yield pid, os.waitstatus_to_exitcode(status)


# --- after a submission ---------------------------------------------------------------------------


def _cleaned(files: "FilesAtStart", own: list) -> str:
    """End everything else and put everything back. "" or why this did not come out clean."""
    _end_all_others()
    try:
        files.put_back()
        others = [name for name in os.listdir("/proc") if name.isdigit() and name != "1"]
        if others:
            return f"processes are left: {others[:5]}"
        if _own_state() != own:
            return "the zygote's own limits or priority were changed"
        left = _sockets_left()
        if left:
            return f"a connection is left in {left}"
        with open("/proc/loadavg") as file:
            if int(file.read().split()[-1]) > _LAST_PID:
                return "many process numbers are used up"
    except (OSError, Unclean) as error:
        return str(error) or type(error).__name__
    return ""


def _end_all_others() -> None:
    """From the first process the signal reaches all others at once, and all become its children."""
    while True:
        with contextlib.suppress(ProcessLookupError):
            os.kill(-1, signal.SIGKILL)
        try:
            os.waitpid(-1, 0)
        except ChildProcessError:
            return


def _own_state() -> list:
    """What a process of the same user can change of this one, and every child would inherit."""
    limits = [getattr(resource, name) for name in dir(resource) if name.startswith("RLIMIT_")]
    with open("/proc/self/oom_score_adj") as file:
        oom = file.read()
    return [
        [resource.getrlimit(limit) for limit in limits],
        os.getpriority(os.PRIO_PROCESS, 0),
        sorted(os.sched_getaffinity(0)),
        os.sched_getscheduler(0),
        os.sched_getparam(0).sched_priority,
        oom,
    ]


def _sockets_left() -> str:
    """Connections outlive their processes for a while, and would be in a neighbour's way."""
    for name in ("tcp", "tcp6", "udp", "udp6", "unix"):
        with contextlib.suppress(FileNotFoundError), open(f"/proc/net/{name}") as table:
            if len(table.readlines()) > 1:
                return name
    return ""


class Unclean(Exception):
    """Something is not as it was."""


class FilesAtStart:
    """Everything in the folders ``writable``, without what is mounted below them, as it was before the
    first submission."""

    def __init__(self, writable: list[str], points: set[str]) -> None:
        self.kept: dict[str, tuple] = {}
        self.times: dict[str, tuple[int, int]] = {}
        waiting = list(writable)
        while waiting:
            path = waiting.pop()
            status = os.lstat(path)
            self.kept[path] = _identity(status)
            if stat.S_ISDIR(status.st_mode) and (path in writable or path not in points):
                self.times[path] = (status.st_atime_ns, status.st_mtime_ns)
                waiting += [os.path.join(path, name) for name in os.listdir(path)]
            elif stat.S_ISREG(status.st_mode) and os.access(path, os.W_OK):
                del self.kept[path]  # written by an import; every submission could change it

    def put_back(self) -> None:
        """Remove all that is new. Raises ``Unclean`` when something is not what it was."""
        self._removed = 0
        for path, identity in self.kept.items():
            status = os.lstat(path)
            if (
                path in self.times
                and status.st_mode != identity[2]
                and status.st_uid == os.getuid()
            ):
                os.chmod(path, stat.S_IMODE(identity[2]))
                status = os.lstat(path)
            if _identity(status) != identity:
                raise Unclean(f"{path} is not what it was")
        for folder in self.times:
            for name in os.listdir(folder):
                path = os.path.join(folder, name)
                if path not in self.kept:
                    self._remove(path, folder)
        for folder, times in self.times.items():
            if os.lstat(folder).st_uid == os.getuid():
                for name in os.listxattr(folder):
                    os.removexattr(folder, name)
                os.utime(folder, ns=times)

    def _remove(self, path: str, folder: str) -> None:
        """Remove a file or a tree. What lies deep is moved up first, so that no path is long."""
        waiting = [path]
        while waiting:
            path = waiting.pop()
            self._removed += 1
            if self._removed > _MOST_FILES:
                raise Unclean("very many files are left")
            if not stat.S_ISDIR(os.lstat(path).st_mode):
                os.unlink(path)
                continue
            os.chmod(path, 0o700)
            for number, name in enumerate(os.listdir(path)):
                inner = os.path.join(path, name)
                if stat.S_ISDIR(os.lstat(inner).st_mode):
                    moved = os.path.join(folder, f".left-{self._removed}-{number}")
                    os.chmod(inner, 0o700)
                    os.rename(inner, moved)
                    waiting.append(moved)
                else:
                    self._removed += 1
                    os.unlink(inner)
            os.rmdir(path)


def _identity(status: os.stat_result) -> tuple[int, ...]:
    return (status.st_dev, status.st_ino, status.st_mode, status.st_uid, status.st_gid)


def _writable_mounts() -> tuple[list[str], set[str]]:
    """The folders that are mounted to be written, and all mount points."""
    writable, points = [], set()
    with open("/proc/self/mountinfo") as table:
        for line in table:
            fields = line.split()
            path = fields[4].encode().decode("unicode_escape")
            points.add(path)
            if "rw" in fields[5].split(",") and os.path.isdir(path):
                writable.append(path)
    return writable, points
