"""Two commands that would write the same: the second waits, says so, and takes over."""

import threading

from grading.classroom import turns
from grading.classroom.turns import only_watcher


def test_a_second_watch_stands_by_until_the_first_has_ended(tmp_path, monkeypatch):
    waiting, said, order = threading.Event(), [], []

    def say(line: str, err: bool) -> None:
        said.append(line)
        waiting.set()

    monkeypatch.setattr(turns.typer, "echo", say)

    def second() -> None:
        with only_watcher(tmp_path):
            order.append("second")

    thread = threading.Thread(target=second)
    with only_watcher(tmp_path):
        thread.start()
        assert waiting.wait(60)
        order.append("first")
    thread.join(60)
    assert order == ["first", "second"]
    assert said == ["Another watch is running; standing by ..."]
