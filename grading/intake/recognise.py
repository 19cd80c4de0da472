"""Which chapter is this notebook of? Its cells say so, whatever its file is called.

Called by ``grading.intake.collect``. Reads notebooks as JSON only; raises ``Unreadable``.
"""

from collections import Counter
from functools import cache
from pathlib import Path

from course_lib.chapters import CHAPTERS, Chapter
from course_lib.exercises import chapter_exercises
from course_lib.quiz import chapter_questions
from grading.intake.matching import TEST_SUFFIX, ReleaseIndex, grade_id_of
from grading.intake.reading import ReadCell, read_notebook
from grading.intake.released import read_release
from grading.paths import NOTEBOOKS_FOLDER


class Recogniser:
    """Knows the released chapters: those in ``released``, else those of this repository."""

    def __init__(self, released: Path) -> None:
        self._released = released

    def chapter(self, data: bytes) -> str | None:
        """The id of the chapter whose graded cells it has most of; None when it has no chapter's."""
        cells = read_notebook(data).cells
        # The questions and exercises that nbgrader's metadata names: quick, and most editors keep it.
        chapters = _chapters_of_names()
        names = (cell.grade_id.removesuffix(TEST_SUFFIX) for cell in cells)
        found = Counter(chapters[name] for name in names if name in chapters)
        if not found:
            for chapter in CHAPTERS:
                found[chapter.id] = self._known_cells(chapter, cells)
        [(best, count)] = found.most_common(1)
        return best if count else None

    def _known_cells(self, chapter: Chapter, cells: list[ReadCell]) -> int:
        index = self._index(chapter.id)
        if index is None:
            return 0
        places = {match.index for cell in cells if (match := index.match(cell)) is not None}
        return sum(bool(grade_id_of(index.cells[place])) for place in places)

    @cache  # noqa: B019  one object a command
    def _index(self, chapter: str) -> ReleaseIndex | None:
        for path in (
            self._released / chapter / f"{chapter}.ipynb",
            NOTEBOOKS_FOLDER / f"{chapter}.ipynb",
        ):
            if path.is_file():
                return ReleaseIndex(read_release(path).cells)
        return None


@cache
def _chapters_of_names() -> dict[str, str]:
    return {
        name: chapter.id
        for chapter in CHAPTERS
        for name in (
            *(exercise.name for exercise in chapter_exercises(chapter)),
            *(question.id for question in chapter_questions(chapter)),
            chapter.own_question,
        )
    }
