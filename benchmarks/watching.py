"""How soon a learner has the feedback page when ``watch`` is running: from the moment a submission is in the
exchange folder to the moment its page is there.

Run by ``make bench-watching``; no part of the tests. ``--alone`` submissions one at a time first, then ``--learners`` of
them spread over ``--seconds``. Honest submissions, in a fresh course directory.
"""

import argparse
import os
import secrets
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from nbgrader.utils import notebook_hash

from benchmarks.grading import make_class
from course_lib.chapters import Chapter, find_chapter
from grading.nbgrader.config import COURSE_ID
from grading.paths import REPOSITORY


@dataclass
class Submission:
    """When it was handed in, and where its page will be."""

    handed_in: float
    page: Path

    def waited(self) -> float | None:
        try:
            return self.page.stat().st_mtime - self.handed_in
        except FileNotFoundError:
            return None


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--chapter", default="05")
    parser.add_argument("--alone", type=int, default=5)
    parser.add_argument("--learners", type=int, default=40)
    parser.add_argument("--seconds", type=float, default=60.0)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="bench-watch-") as folder:
        _measure(options, find_chapter(options.chapter), Path(folder))


def _measure(options: argparse.Namespace, chapter: Chapter, folder: Path) -> None:
    learners, seconds = options.learners, options.seconds
    course, waiting = folder / "course", folder / "waiting"
    make_class(chapter, learners + options.alone, course)
    (course / "submitted").rename(waiting)
    (course / "submitted").mkdir()
    subprocess.run(
        [sys.executable, "-m", "nbgrader", "release_assignment", chapter.id],
        cwd=course,
        check=True,
        capture_output=True,
    )
    made = sorted(waiting.iterdir())
    busy = os.getloadavg()[0]
    command = [sys.executable, "-u", "-m", "grading", "watch", chapter.number]
    watching = subprocess.Popen(
        [*command, "--course", str(course)], cwd=REPOSITORY, stdout=subprocess.PIPE, text=True
    )
    try:
        watching.stdout.readline()
        alone = []
        for source in made[: options.alone]:
            one = _hand_in(source / chapter.id, source.name, chapter.id, course)
            while one.waited() is None:
                time.sleep(0.05)
            alone.append(one.waited())
        begun, together = time.time(), []
        for number, source in enumerate(made[options.alone :]):
            time.sleep(max(0.0, begun + number * seconds / learners - time.time()))
            together.append(_hand_in(source / chapter.id, source.name, chapter.id, course))
        while any(one.waited() is None for one in together):
            time.sleep(0.1)
    finally:
        watching.terminate()
        watching.wait()
    waits = [one.waited() for one in together]
    done = max(one.page.stat().st_mtime for one in together) - begun
    print(
        f"Chapter {chapter.number}, {len(os.sched_getaffinity(0))} cores; load average when it began: "
        f"{busy:.1f}.\n"
    )
    print("| from hand-in to page | median, s | longest, s |\n|---|---:|---:|")
    print(f"| the first | {alone[0]:.1f} | {alone[0]:.1f} |")
    print(f"| one at a time | {statistics.median(alone[1:]):.1f} | {max(alone[1:]):.1f} |")
    print(
        f"| {learners} within {seconds:g} s | {statistics.median(waits):.1f} | {max(waits):.1f} |"
    )
    print(f"\nAll {learners} pages were there {done:.0f} s after the first was handed in.")


def _hand_in(source: Path, learner: str, assignment: str, course: Path) -> Submission:
    """As ``nbgrader submit`` does: the secret is written last."""
    now, secret = datetime.now(UTC), secrets.token_hex(64)
    exchange = course / "exchange" / COURSE_ID
    stamp = f"{now:%Y-%m-%d %H:%M:%S.%f} UTC"
    to = exchange / "inbound" / f"{learner}+{assignment}+{stamp}+{secrets.token_urlsafe(9)}"
    shutil.copytree(source, to)
    (to / "timestamp.txt").write_text(stamp)
    (to / "submission_secret.txt").write_text(secret)
    page = notebook_hash(secret=secret, notebook_id=assignment)
    return Submission(time.time(), exchange / "feedback" / f"{page}.html")


if __name__ == "__main__":
    main()
