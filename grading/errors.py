"""What an author or instructor can put right. Raised all over ``grading``; the command line prints
it as one clear line on stderr and ends with exit status 2, never with a traceback."""

from course_lib.chapters import CHAPTERS, Chapter, find_chapter


class Problem(Exception):
    """Its text says what was found, where, and what to do about it."""


def chapters_called(names: list[str]) -> list[Chapter]:
    """The chapters with these names or numbers, in the order of the course; all when none is named."""
    try:
        named = {find_chapter(name).id for name in names}
    except LookupError as error:
        raise Problem(str(error)) from None
    return [chapter for chapter in CHAPTERS if not names or chapter.id in named]
