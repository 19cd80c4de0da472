"""The page of all messages: every solution has its row, and nobody's progress is touched."""

from course_lib import progress
from course_lib.exercises import find_exercise
from grading.answers import find_answer
from grading.authoring.messages import exercise_messages


def test_every_known_mistake_and_a_sample_of_mutants_is_on_the_page():
    before = progress.of("count_updates")
    page = "\n".join(exercise_messages(find_exercise("count_updates"), mutants=2))
    for misconception in find_answer("count_updates").misconceptions:
        assert f"| misconception: {misconception.name} |" in page
        assert f"**{misconception.name}.** {misconception.sentence[:30]}" in page
    assert page.count("| mutant: ") == 2
    assert "| stub: untouched stub | 0 of 1 | Not attempted. | Not attempted yet |" in page
    assert "Not right yet<br>" in page
    assert progress.of("count_updates") == before
