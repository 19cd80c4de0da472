"""The first thing that runs inside the sandbox: sets limits, then becomes the learner's kernel.

``sandbox`` starts it as a plain file (of the package ``grading`` nothing else exists in there):
``python start.py '{"work": ..., "libraries": ..., ...}' CONNECTION_FILE``. With a ``control`` socket
it becomes a zygote first, and what follows happens in each child. Standard library only.
"""

import contextlib
import importlib
import json
import os
import shutil
import sys
from pathlib import Path


def main() -> None:
    settings = json.loads(sys.argv[1])
    connection_file = sys.argv[2]
    if settings["control"] is not None:
        import zygote

        _set_path(settings["libraries"])
        settings |= zygote.serve(settings["control"], _import_for_all)
    else:
        _set_path(settings["libraries"])
    _limit(settings)
    work = Path(settings["work"])
    work.mkdir(parents=True, exist_ok=True)
    if settings["companions"]:
        shutil.copytree(settings["companions"], work, dirs_exist_ok=True)
    os.chdir(work)
    sys.path.append(str(work))
    _import_early()
    _become_kernel(connection_file)


def _limit(settings: dict) -> None:
    """Limits of single processes; the memory of all of them the watchdog outside bounds."""
    if sys.platform == "win32":
        return
    import resource

    wanted = [(resource.RLIMIT_CORE, 0), (resource.RLIMIT_FSIZE, settings["file_bytes"])]
    wanted.append((resource.RLIMIT_NOFILE, settings["open_files"]))
    if settings["private"]:  # outside a sandbox the limit would count all of the user's processes
        wanted.append((resource.RLIMIT_NPROC, settings["processes"]))
    for limit, value in wanted:
        hard = resource.getrlimit(limit)[1]
        bound = value if hard == resource.RLIM_INFINITY else min(value, hard)
        resource.setrlimit(limit, (bound, bound))


def _set_path(libraries: list[str]) -> None:
    """The course and the grader's libraries. The current folder comes last, once there is one: a
    companion file called ``random.py`` or ``torch.py`` shadows nothing."""
    sys.path[0:1] = []
    sys.path += [folder for folder in libraries if folder not in sys.path]


def _import_early() -> None:
    """What every observation needs, once: the forked children would each import it again, and a
    learner may empty sys.path."""
    import safetensors.torch  # noqa: F401

    import course_lib.exercises.checking.observe  # noqa: F401
    from course_lib import compiler

    compiler.postpone()


#: What a kernel imports while it starts, and what the chapters' own cells import: most of the time that is
#: left. ipywidgets, which ``course_lib.panels.live`` brings along, looks for a running kernel when it is imported:
#: so it does not register for what a page would send, and here there is no page.
_OF_KERNELS_AND_CHAPTERS = (
    "IPython.core.completerlib",
    "IPython.core.logger",
    "IPython.core.oinspect",
    "IPython.extensions.storemagic",
    "sqlite3",
    "tornado.platform.asyncio",
    "tornado.queues",
    "course_lib.data",
    "course_lib.panels.live",
    "matplotlib.pyplot",
    "matplotlib.backends.backend_agg",
    "stack_data",
)


def _import_for_all() -> None:
    """What every kernel needs, once in the zygote. Nothing of this starts a thread or runs an
    operation of torch: a forked process would hang where those threads are missing."""
    _import_early()
    from ipykernel.kernelapp import IPKernelApp  # noqa: F401
    from ipykernel.zmqshell import ZMQInteractiveShell  # noqa: F401

    from course_lib.exercises import all_exercises

    all_exercises()  # imports every chapter's, as the first question to a kernel does
    _without_debugger()
    for name in _OF_KERNELS_AND_CHAPTERS:
        with contextlib.suppress(ImportError):
            importlib.import_module(name)
    import course_lib

    for name in course_lib.__all__:
        with contextlib.suppress(ImportError):
            getattr(course_lib, name)


def _without_debugger() -> None:
    """Nobody debugs these kernels, and starting the debugger takes half as long as all the rest."""
    sys.modules["debugpy"] = None
    with contextlib.suppress(ImportError):
        import ipykernel.debugger  # noqa: F401
    del sys.modules["debugpy"]


def _become_kernel(connection_file: str) -> None:
    sys.argv = [
        "ipykernel",
        "-f",
        connection_file,
        "--HistoryManager.hist_file=:memory:",
        "--InteractiveShellApp.ignore_cwd=True",
    ]
    from ipykernel.iostream import OutStream
    from ipykernel.ipkernel import IPythonKernel
    from ipykernel.kernelapp import IPKernelApp
    from ipykernel.zmqshell import ZMQInteractiveShell

    class LastingKernel(IPythonKernel):
        """A kernel that answers although a cell took its streams away, and goes on to print
        although one closed them."""

        async def do_execute(self, *args, **kwargs):
            streams = sys.stdout, sys.stderr
            for stream in streams:
                if isinstance(stream, OutStream) and stream.closed:
                    stream.pub_thread = self.iopub_thread
            try:
                return await super().do_execute(*args, **kwargs)
            finally:
                sys.stdout, sys.stderr = map(_that_flushes, (sys.stdout, sys.stderr), streams)

    _without_debugger()
    # Whoever starts this reads what went wrong until here; from now on it is the learner's.
    silence = os.open(os.devnull, os.O_RDWR)
    os.dup2(silence, 1)
    os.dup2(silence, 2)
    os.close(silence)
    # ``exit()`` in a cell would end the kernel a moment later, in the middle of some other cell.
    ZMQInteractiveShell.ask_exit = lambda self: None
    IPKernelApp.launch_instance(kernel_class=LastingKernel)


def _that_flushes(stream, before):
    """ipykernel flushes both streams before it replies, and does not reply when that fails."""
    try:
        stream.flush()
    except Exception:  # None, closed, or something of the learner's
        return before
    return stream


if __name__ == "__main__":
    main()
