"""A learner's kernel, as ``run`` uses it: run a cell, ask one question, be told how it ended.

Everything a kernel sends is taken as hostile data: messages are bounded in size, answers count only
when they are the reply to the request that is open, and a kernel that stops answering is ended.
"""

import ast
import contextlib
import math
import re
import time
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import zmq
from jupyter_client.manager import KernelManager
from jupyter_core.utils import run_sync

from grading.runner.limits import Limits
from grading.runner.outputs import CellOutputs, OutputBudget
from grading.runner.provisioner import BoxSpecManager
from grading.runner.sandbox import Box, NoKernel, last_words, open_box
from grading.runner.watchdog import Watchdog
from grading.runner.zygote import CannotFork, Zygote, can_fork, lease

_ANSWER = re.compile(r"'[A-Za-z0-9+/=]*'")
_POLL_SECONDS = 0.05
#: How long to wait for the outputs of a request before asking once more whether they come.
_JOIN_MILLISECONDS = 20
#: How long outputs may trail behind the reply that they belong to.
_TRAIL_SECONDS = 1.0
#: How long a message may wait to be sent. ZeroMQ waits for ever for a peer that has broken its protocol.
_SEND_MILLISECONDS = 1000


class KernelEnded(Exception):
    """The kernel is gone. ``status`` is an item's status, the text says what happened."""

    def __init__(self, status: str, text: str) -> None:
        super().__init__(text)
        self.status = status


@contextlib.contextmanager
def open_kernel(
    companions: Mapping[str, bytes],
    limits: Limits,
    sandbox: bool,
    seconds: float,
    warm: bool = True,
) -> Iterator["Kernel"]:
    """A fresh kernel in a fresh box, or in one that is as good as fresh (``warm``, in a sandbox
    only). It may run for ``seconds`` from when it is ready.

    Raises ``NoKernel`` when it does not come up.
    """
    with _place(limits, sandbox, warm) as (box, zygote), zmq.Context() as context:
        box.settings |= box.hand_in(companions, limits)
        # Where these are exceeded ZeroMQ drops the message or the sender waits: nothing piles up.
        context.setsockopt(zmq.MAXMSGSIZE, limits.message_bytes)
        context.setsockopt(zmq.RCVHWM, 200)
        context.setsockopt(zmq.LINGER, 0)
        context.setsockopt(zmq.SNDTIMEO, _SEND_MILLISECONDS)
        manager = KernelManager(
            kernel_name="sandboxed",
            kernel_spec_manager=BoxSpecManager(box, zygote),
            transport="ipc",
            ip=str(box.folder / "s"),
            connection_file=str(box.connection_file),
            context=context,
            shutdown_wait_time=0.5,
        )
        manager.start_kernel()
        apart = None if zygote is None else zygote.first_process
        watchdog = Watchdog(manager.provisioner.pid, box.folder, limits, apart)
        watchdog.start()
        client = manager.blocking_client()
        client.start_channels(stdin=False, hb=False, control=False)
        try:
            kernel = Kernel(manager, client, watchdog, limits)
            try:
                kernel.wait_until_ready()
            except KernelEnded as ended:
                reason = last_words(box) or ended
                raise NoKernel(f"no kernel could be started: {reason}") from None
            kernel.deadline = time.monotonic() + seconds
            yield kernel
        finally:
            watchdog.stop()
            client.stop_channels()
            _end(manager)
            watchdog.join()


def _end(manager: KernelManager) -> None:
    with contextlib.suppress(Exception):  # it may be gone, or half gone
        try:
            manager.shutdown_kernel(now=True)
        except zmq.Again:  # it is asked to stop what it runs first, and takes no message
            run_sync(manager.provisioner.kill)()
            run_sync(manager.provisioner.wait)()
            manager.cleanup_resources()


@contextlib.contextmanager
def _place(limits: Limits, sandbox: bool, warm: bool) -> Iterator[tuple[Box, Zygote | None]]:
    with contextlib.ExitStack() as stack:
        if warm and sandbox and can_fork():
            with contextlib.suppress(CannotFork):
                zygote = stack.enter_context(lease(limits))
                yield zygote.box, zygote
                return
        yield stack.enter_context(open_box(limits, sandbox)), None


class Kernel:
    """One running kernel. Every method may raise ``KernelEnded``; the kernel is then gone."""

    def __init__(
        self, manager: KernelManager, client: Any, watchdog: Watchdog, limits: Limits
    ) -> None:
        self._manager, self._client, self._watchdog = manager, client, watchdog
        self._limits = limits
        self.deadline = math.inf
        self._budget = OutputBudget(limits.notebook_output_bytes, limits.notebook_outputs)
        self._shell = client.shell_channel
        self._iopub = client.iopub_channel
        #: Has anything come on the channel of outputs?
        self._hears = False
        self._poller = zmq.Poller()
        self._poller.register(self._shell.socket, zmq.POLLIN)
        self._poller.register(self._iopub.socket, zmq.POLLIN)

    def wait_until_ready(self) -> None:
        """Wait for an answer on both channels. A kernel publishes to those who have joined: what it
        says before is lost, and a forked one answers sooner than that."""
        until = time.monotonic() + self._limits.start_seconds
        while not self._hears:
            remaining = until - time.monotonic()
            request = self._sent(self._client.kernel_info)
            if remaining <= 0 or self._reply(request, remaining, None) is None:
                raise KernelEnded("error", "the kernel did not start in time")
            if not self._hears and self._iopub.socket.poll(_JOIN_MILLISECONDS):
                self._take_output(request, None)

    def run_cell(self, source: str) -> tuple[list[dict[str, Any]], str]:
        """Run a learner's cell: its filtered outputs, and why it was interrupted if it was. An exception
        in it is an output like any other."""
        outputs = CellOutputs(self._limits, self._budget)
        request = self._sent(self._client.execute, source, allow_stdin=False, stop_on_error=False)
        seconds = self._limits.cell_seconds
        interrupted = ""
        if self._reply(request, seconds, outputs) is None:
            interrupted = self._over(seconds)
            with contextlib.suppress(Exception):
                self._manager.interrupt_kernel()
            if self._reply(request, self._limits.interrupt_seconds, outputs, grace=True) is None:
                raise KernelEnded("timeout", interrupted)
        return outputs.result(), interrupted

    def rest(self, seconds: float) -> None:
        """Ask nothing for a while: is it ended by what it does by itself?"""
        until = min(time.monotonic() + seconds, self.deadline)
        while time.monotonic() < until:
            ready = dict(self._poller.poll(_POLL_SECONDS * 1000))
            for channel in (self._shell, self._iopub):
                if channel.socket in ready:
                    _received(channel)
            if not ready:
                self._check_alive()

    def ask(self, expression: str) -> str:
        """Evaluate ``expression``, which gives base64 text; "" when it gives anything else.

        The reply is read from the one message that answers this request.
        """
        request = self._sent(
            self._client.execute,
            "",
            silent=True,
            store_history=False,
            user_expressions={"answer": expression},
            allow_stdin=False,
            stop_on_error=False,
        )
        seconds = self._limits.exercise_seconds
        content = self._reply(request, seconds, None)
        if content is None:
            raise KernelEnded("timeout", self._over(seconds))
        return _answer_text(content)

    def _sent(self, send: Callable[..., str], *arguments: Any, **options: Any) -> str:
        """The id of the request that ``send`` makes."""
        try:
            return send(*arguments, **options)
        except zmq.Again:
            raise KernelEnded("error", "it broke the connection to the grader") from None

    def _reply(
        self, request: str, seconds: float, outputs: CellOutputs | None, grace: bool = False
    ) -> dict[str, Any] | None:
        """The content of the reply to ``request``; None when it does not come in time."""
        until = time.monotonic() + seconds
        if not grace:
            until = min(until, self.deadline)
        reply: dict[str, Any] | None = None
        idle = outputs is None
        while True:
            ready = dict(self._poller.poll(_POLL_SECONDS * 1000))
            if self._iopub.socket in ready:
                idle |= self._take_output(request, outputs)
            if self._shell.socket in ready and reply is None:
                reply = _answer_to(request, _received(self._shell))
                if reply is not None:
                    until = time.monotonic() + _TRAIL_SECONDS
            if (reply is not None and idle) or time.monotonic() > until:
                return reply
            if not ready:
                self._check_alive()

    def _take_output(self, request: str, outputs: CellOutputs | None) -> bool:
        """Read one output message; True when it says that ``request`` is done."""
        message = _received(self._iopub)
        self._hears |= message is not None
        content = _answer_to(request, message)
        if message is None or content is None:
            return False
        kind = message.get("msg_type")
        if kind == "status":
            return content.get("execution_state") == "idle"
        if outputs is not None and isinstance(kind, str):
            outputs.add(kind, content)
        return False

    def _check_alive(self) -> None:
        if self._watchdog.reason or not self._manager.is_alive():
            raise KernelEnded("error", self._watchdog.reason or "it ended the Python process")

    def _over(self, seconds: float) -> str:
        if time.monotonic() > self.deadline:
            whole = self._limits.submission_seconds
            return f"the time for the whole notebook ({whole:g} s) was used up"
        return f"it was not done after {seconds:g} s"


def _received(channel: Any) -> dict[str, Any] | None:
    """The next message; None for one that is malformed, wrongly signed or a repetition."""
    try:
        return channel.get_msg(timeout=0)
    except Exception:  # the parsers and checks of jupyter_client raise many kinds of errors
        return None


def _answer_to(request: str, message: dict[str, Any] | None) -> dict[str, Any] | None:
    """The content of the message; None unless it answers this request."""
    header = message.get("parent_header") if message else None
    if not isinstance(header, dict) or header.get("msg_id") != request:
        return None
    content = message.get("content")
    return content if isinstance(content, dict) else {}


def _answer_text(content: dict[str, Any]) -> str:
    expressions = content.get("user_expressions")
    answer = expressions.get("answer") if isinstance(expressions, dict) else None
    data = answer.get("data") if isinstance(answer, dict) else None
    text = data.get("text/plain") if isinstance(data, dict) else None
    if not isinstance(text, str) or not _ANSWER.fullmatch(text):
        return ""
    return ast.literal_eval(text)
