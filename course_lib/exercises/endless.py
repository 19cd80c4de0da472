"""Ends a learner's loop that never ends, for ``check``: as the notebook's own stop button does."""

import _thread
import contextlib
import threading
from collections.abc import Iterator


@contextlib.contextmanager
def stopped_after(seconds: float) -> Iterator[None]:
    """Raise ``KeyboardInterrupt`` in the body once it has run this long.

    Only in the main thread, for no other thread can be interrupted; there it does nothing. What
    Python cannot interrupt, one long call of PyTorch for example, is stopped when it returns.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    running, lock = True, threading.Lock()

    def stop() -> None:
        with lock:
            if running:  # never an interrupt that arrives after the body's end
                _thread.interrupt_main()

    timer = threading.Timer(seconds, stop)
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        with lock:
            running = False
        timer.cancel()
        timer.join()
