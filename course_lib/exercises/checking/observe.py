"""Runs the learner's code on cases and writes down what happened: for ``check`` and for grading.

``observe`` does it here and now. ``remote`` is what the grader calls in the learner's kernel: it
observes in a forked child, so that a crash, an ``os._exit`` or a hang costs this exercise only.
"""

import base64
import contextlib
import copy
import io
import json
import linecache
import os
import random
import re
import select
import signal
import struct
import sys
import time
import traceback
import warnings
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np
import torch

from course_lib.exercises import find_exercise
from course_lib.exercises.checking.forbid import (
    ForbiddenCall,
    not_refused,
    refuse_operators_for_good,
    refusing,
)
from course_lib.exercises.checking.model import (
    Case,
    ErrorNote,
    Exercise,
    Notes,
    Observation,
    UnknownField,
)
from course_lib.exercises.checking.wire import MAX_BYTES, WireError, pack, unpack

#: Wall-clock limit of one case, in seconds, when the grader observes.
CASE_SECONDS = 20.0
#: Memory that a child may take beyond what the kernel has, in bytes.
CHILD_DATA_BYTES = 3 * 2**30
#: Characters of an answer that are passed on: a letter, or a name and a number.
MOST_ANSWER = 200
_MESSAGE_LIMIT = 500
#: torch.load writes parts of its message in bold.
_TERMINAL_COLOR = re.compile(r"\x1b\[[0-9;]*m")


def observe(exercise: Exercise, subjects: tuple[Any, ...], case: Case) -> Observation:
    """Run ``exercise.observe`` on a copy of one case, in a known state of PyTorch.

    Whatever the learner's code raises becomes the observation's ``error``; values and events
    noted before it are kept. The state of PyTorch and of all random generators is restored.
    """
    notes = Notes(fields=exercise.fields)
    error: ErrorNote | None = None
    subject = subjects[0] if len(subjects) == 1 else subjects
    with neutral_state(), refusing(exercise.forbidden, subjects) as refused:
        try:
            exercise.observe(subject, copy.deepcopy(dict(case)), notes)
        except (KeyboardInterrupt, UnknownField):
            raise
        except BaseException as raised:  # also SystemExit: a learner's exit() is a finding
            error = describe_error(raised)
    return _with_refusals(Observation(dict(notes.values), tuple(notes.events), error), refused)


def _with_refusals(observation: Observation, refused: list[str]) -> Observation:
    """A refusal that the learner's code swallowed still counts."""
    error = observation.error
    if not refused or (error is not None and error.is_refusal):
        return observation
    error = ErrorNote("ForbiddenCall", f"{refused[0]} is not allowed in this exercise")
    return replace(observation, error=error)


@contextlib.contextmanager
def neutral_state() -> Iterator[None]:
    """PyTorch's defaults, fixed seeds, silent streams and warnings; everything put back after."""
    with contextlib.ExitStack() as stack:
        stack.callback(random.setstate, random.getstate())
        stack.callback(np.random.set_state, np.random.get_state())
        stack.callback(torch.set_default_dtype, torch.get_default_dtype())
        stack.callback(torch.set_grad_enabled, torch.is_grad_enabled())
        if torch.are_deterministic_algorithms_enabled():
            # Asked only then: to switch it off imports torch's compiler, which takes seconds.
            warns_only = torch.is_deterministic_algorithms_warn_only_enabled()
            stack.callback(torch.use_deterministic_algorithms, True, warn_only=warns_only)
            torch.use_deterministic_algorithms(False)
        stack.callback(torch.set_flush_denormal, sys.float_info.min / 2 == 0)  # it has no getter
        stack.enter_context(torch.random.fork_rng(devices=[]))
        device = torch.get_default_device()
        stack.callback(_leave_device, device)
        if device.type != "cpu":  # each call of PyTorch then takes a detour
            stack.enter_context(torch.device("cpu"))
        # Not a `with torch.autocast(enabled=False)`: inside another one, the learner's own would
        # keep the weights that it has cast, and go on with them after the optimizer's step.
        stack.callback(torch.set_autocast_enabled, "cpu", torch.is_autocast_enabled("cpu"))
        stack.callback(torch.set_autocast_cache_enabled, torch.is_autocast_cache_enabled())
        stack.callback(_leave_autocasts, _autocasts())
        stack.enter_context(torch.inference_mode(False))
        stack.enter_context(torch.autograd.set_detect_anomaly(False))
        stack.enter_context(warnings.catch_warnings())
        stack.enter_context(contextlib.redirect_stdout(io.StringIO()))
        stack.enter_context(contextlib.redirect_stderr(io.StringIO()))
        warnings.simplefilter("ignore")
        torch.set_default_dtype(torch.float32)
        torch.set_grad_enabled(True)
        torch.set_autocast_enabled("cpu", False)
        torch.set_autocast_cache_enabled(False)
        torch.set_flush_denormal(False)
        torch.manual_seed(0)
        random.seed(0)
        np.random.seed(0)
        yield


def _leave_device(before: torch.device) -> None:
    """Put back the default device, where the learner's code has set another."""
    if torch.get_default_device() != before:
        torch.set_default_device(None if before.type == "cpu" else before)


def _autocasts() -> int:
    """How many autocasts are entered: while any is, what they have cast is kept for later ones."""
    torch.autocast_increment_nesting()
    return torch.autocast_decrement_nesting()


def _leave_autocasts(before: int) -> None:
    """Those that the learner's code entered and did not leave, for instance since it was stopped."""
    for _ in range(_autocasts() - before):
        torch.autocast_decrement_nesting()
    if before == 0:
        torch.clear_autocast_cache()


def describe_error(error: BaseException) -> ErrorNote:
    """Type, first line of the message and the learner's line of an exception."""
    line = ""
    for frame in reversed(traceback.extract_tb(error.__traceback__)):
        # Cells of a kernel live in ``<ipython-input...>`` or a temporary ``ipykernel`` file.
        if frame.filename.startswith("<") or "ipykernel_" in frame.filename:
            line = (frame.line or linecache.getline(frame.filename, frame.lineno or 0)).strip()
            break
    text = " ".join(_TERMINAL_COLOR.sub("", str(error)).split())
    return ErrorNote(type(error).__name__, text[:_MESSAGE_LIMIT], line[:120])


# --- in the learner's kernel, called by the grader ---------------------------------------------


def remote(
    name: str, payload: str, nonce: str = "", namespace: dict | None = None, chapter: str = ""
) -> str:
    """Observe the exercise ``name`` on packed cases; the answer is base64 text for the grader.

    With ``chapter`` no other chapter's exercises are imported. See ``_answer`` for its form.
    """
    exercise = find_exercise(name, chapter)
    cases = unpack(base64.b64decode(payload))
    known = _user_namespace() if namespace is None else namespace
    missing = [subject for subject in exercise.subjects if subject not in known]
    if missing:
        parts = [_failure("missing", f"{missing[0]} is not defined")] * len(cases)
    else:
        subjects = tuple(known[subject] for subject in exercise.subjects)
        parts = _observe_in_child(exercise, subjects, cases)
    return _answer(nonce, name, parts)


def remote_value(name: str, nonce: str = "", namespace: dict | None = None) -> str:
    """The value of a variable that holds an answer: a string, None, or "not plain" when it is neither."""
    known = _user_namespace() if namespace is None else namespace
    if name not in known:
        part = _failure("missing", f"{name} is not defined")
    else:
        value = known[name]
        plain = value is None or type(value) is str
        part = _part({"value": value[:MOST_ANSWER] if type(value) is str else None, "plain": plain})
    return _answer(nonce, name, [part])


def _user_namespace() -> dict[str, Any]:
    from IPython import get_ipython

    shell = get_ipython()
    return shell.user_ns if shell is not None else {}


def _part(result: dict[str, Any]) -> bytes:
    """One result as the grader passes it on: a line of JSON that says what came, and the result packed,
    which only the judge unpacks.

    The line is ``{"error": TYPE}`` (of the exception, or "") or ``{"failure": KIND, "detail": text}``
    with nothing behind it; KIND is "missing", "timeout", "died", "too large", "no process" or "not
    refused".
    """
    error = result.get("error")
    try:
        data = (
            json.dumps({"error": error[0][:100] if error else ""}).encode() + b"\n" + pack(result)
        )
    except WireError:
        return _failure("too large")
    return data if len(data) <= MAX_BYTES else _failure("too large")


def _failure(kind: str, detail: str = "") -> bytes:
    return json.dumps({"failure": kind, "detail": detail}).encode() + b"\n"


def _answer(nonce: str, name: str, parts: list[bytes]) -> str:
    """What the grader reads, as base64 text: a line of JSON, ``{"nonce", "name"}``, then each part with
    its length in front. All parts together are no larger than one may be."""
    data, left = [json.dumps({"nonce": nonce, "name": name}).encode() + b"\n"], MAX_BYTES
    for part in parts:
        fitting = part if len(part) <= left else _failure("too large")
        left -= len(fitting)
        data += [struct.pack("<I", len(fitting)), fitting]
    return base64.b64encode(b"".join(data)).decode()


def as_data(observation: Observation) -> dict[str, Any]:
    """An observation as it is packed for the grader."""
    error = observation.error
    note = None if error is None else [error.type, error.message, error.line]
    return {"values": dict(observation.values), "events": list(observation.events), "error": note}


def _observe_in_child(exercise: Exercise, subjects: tuple, cases: list[Case]) -> list[bytes]:
    if not hasattr(os, "fork"):
        return [_part(as_data(observe(exercise, subjects, case))) for case in cases]
    try:
        _hold_standard_streams()
        read_end, write_end = os.pipe()
        child = os.fork()
    except OSError as error:
        failure = _failure("no process", error.strerror or "")
        return [failure] * len(cases)
    if child == 0:
        os.close(read_end)
        _child_main(exercise, subjects, cases, write_end)
    os.close(write_end)
    try:
        return _read_results(child, read_end, len(cases))
    finally:
        os.close(read_end)
        with contextlib.suppress(ProcessLookupError):
            os.kill(child, signal.SIGKILL)
        with contextlib.suppress(
            ChildProcessError
        ):  # where SIGCHLD is ignored there is nothing to wait for
            os.waitpid(child, 0)


def _hold_standard_streams() -> None:
    """Where a learner closed them, something else gets their numbers: a pipe that the child then
    puts on /dev/null, for example."""
    while (number := os.open(os.devnull, os.O_RDWR)) <= 2:
        pass
    os.close(number)


def _child_main(exercise: Exercise, subjects: tuple, cases: list[Case], write_end: int) -> None:
    """Never returns: writes one part a case, its length in front, and exits."""
    try:
        # A forked process has no threads of the parent's OpenMP pool: one thread, or it hangs.
        torch.set_num_threads(1)
        _limit_data()
        silence = os.open(os.devnull, os.O_RDWR)
        for stream in (0, 1, 2):
            os.dup2(silence, stream)
        sys.stdout = sys.stderr = io.StringIO()
        refused = refuse_operators_for_good(exercise.forbidden)
        let_through = not_refused(exercise.forbidden)
        if let_through:
            data = _failure("not refused", let_through)
            _write_all(write_end, (struct.pack("<I", len(data)) + data) * len(cases))
            return
        for case in cases:
            refused.clear()
            # Also while it is packed: a result may do its work only when it is looked at.
            with refusing(exercise.forbidden, subjects) as later:
                seen = _with_refusals(observe(exercise, subjects, case), refused)
                try:
                    data = _part(as_data(seen))
                except ForbiddenCall:  # then it is among the later ones
                    data = b""
            if later:
                data = _part(as_data(_with_refusals(Observation({}), later)))
            _write_all(write_end, struct.pack("<I", len(data)) + data)
    finally:
        os._exit(0)


def _limit_data() -> None:
    if sys.platform != "linux":
        return
    import resource

    with open("/proc/self/statm") as statm:
        pages = int(statm.read().split()[5])
    limit = pages * resource.getpagesize() + CHILD_DATA_BYTES
    resource.setrlimit(resource.RLIMIT_DATA, (limit, limit))


def _write_all(descriptor: int, data: bytes) -> None:
    view = memoryview(data)
    while view:
        view = view[os.write(descriptor, view) :]


def _read_results(child: int, read_end: int, count: int) -> list[bytes]:
    parts: list[bytes] = []
    failure = _failure("died")
    while len(parts) < count:
        deadline = time.monotonic() + CASE_SECONDS
        try:
            header = _read_exactly(read_end, 4, deadline)
            (length,) = struct.unpack("<I", header)
            if length > MAX_BYTES:
                failure = _failure("too large")
                break
            parts.append(_read_exactly(read_end, length, deadline))
        except TimeoutError:
            failure = _failure("timeout", f"no result after {CASE_SECONDS:g} s")
            break
        except EOFError:
            break
    return parts + [failure] * (count - len(parts))


def _read_exactly(descriptor: int, length: int, deadline: float) -> bytes:
    parts: list[bytes] = []
    while length:
        ready, _, _ = select.select([descriptor], [], [], max(0.0, deadline - time.monotonic()))
        if not ready:
            raise TimeoutError
        part = os.read(descriptor, min(length, 2**16))
        if not part:
            raise EOFError
        parts.append(part)
        length -= len(part)
    return b"".join(parts)
