"""``grade`` as ``benchmarks.grading`` times it: the command itself, if wanted without feedback pages
and with plain kernels. ``python -m benchmarks.grade_timed CHAPTER COURSE JOBS [no-pages] [cold]``"""

import sys
from pathlib import Path

from grading.classroom.grade_class import grade_class


def main(chapter: str, course: str, jobs: str, *options: str) -> None:
    if "no-pages" in options:
        from grading.nbgrader.writer import Writer

        Writer.feedback = lambda self, learner: None  # type: ignore[method-assign]
    grade_class(chapter, Path(course), jobs=int(jobs), warm="cold" not in options)


if __name__ == "__main__":
    main(*sys.argv[1:])
