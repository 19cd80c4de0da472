"""What the tests of the generated notebooks share."""

import pytest

from course_lib.chapters import CHAPTERS, Chapter
from grading.paths import text_source

WRITTEN = [chapter for chapter in CHAPTERS if text_source(chapter).exists()]


@pytest.fixture(params=WRITTEN, ids=[chapter.number for chapter in WRITTEN])
def chapter(request: pytest.FixtureRequest) -> Chapter:
    """Each chapter whose text source is written."""
    return request.param
