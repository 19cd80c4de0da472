"""``python -m course_lib review``: the quiz questions that are due again, asked one by one.

When a question is due is decided by FSRS, from the learner's own record of answers alone.
"""

from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta

from course_lib import answers, progress
from course_lib.display import wrap, write
from course_lib.errors import Problem
from course_lib.quiz import Question, all_questions, is_letter
from course_lib.retrieval import answer_to


def review(ask: Callable[[str], str] = input) -> int:
    """Ask what is due until all is answered, or ``q`` or the end of the input; returns the exit status."""
    need_answers()
    due = list(due_questions())
    if not due:
        times = due_times().values()
        text = "Nothing to review yet: answer the quiz of a chapter first."
        if times:
            text = f"Nothing is due today. The next question is due on {min(times):%Y-%m-%d}."
        write(text)
        return 0
    for number, question in enumerate(due, start=1):
        _say(f"{number} of {len(due)} ({question.id}): {question.text}")
        for letter, text in question.options.items():
            _say(f"{letter}: {text}")
        letter = _answer(ask)
        if not letter:
            break
        for line in answer_to(question, letter, again=True):
            _say(line)
        write("")
    return 0


def need_answers() -> None:
    """Use the answers pack; ``Problem`` where it is not there."""
    answers.use_answers()
    if not answers.in_use():
        raise Problem(
            "the answers pack is missing: pip install ./answers, in the folder of the course"
        )


def due_questions() -> Iterator[Question]:
    """Every question that was answered before and is due, the one that is due longest first."""
    now = datetime.fromtimestamp(progress.now(), UTC)
    due = {id: when for id, when in due_times().items() if when <= now}
    for id in sorted(due, key=due.__getitem__):
        yield all_questions()[id]


def due_times() -> dict[str, datetime]:
    """When each question that was answered before is due again."""
    try:
        from fsrs import Card, Rating, Scheduler
    except ImportError as error:
        raise Problem(
            'reviewing needs the package fsrs: pip install -c constraints.txt -e ".[review]"'
        ) from error
    # Steps of minutes are for who sits and crams; here a day is the shortest.
    scheduler = Scheduler(
        learning_steps=[], relearning_steps=[timedelta(days=1)], enable_fuzzing=False
    )
    times = {}
    for id, record in progress.load().items():
        if id not in all_questions() or not record.reviews:
            continue
        card = Card(card_id=1)
        for each in sorted(record.reviews, key=lambda review: review.at):
            rating = Rating.Good if each.right else Rating.Again
            at = datetime.fromtimestamp(each.at, UTC)
            card, _ = scheduler.review_card(card, rating, review_datetime=at)
        times[id] = card.due
    return times


def _answer(ask: Callable[[str], str]) -> str:
    """A letter; "" when the learner wants to stop."""
    while True:
        try:
            given = ask("Your answer (A, B, C or D; q to stop): ").strip()
        except EOFError:
            return ""
        if given.lower() == "q":
            return ""
        if is_letter(given):
            return given.upper()


def _say(text: str) -> None:
    write("\n".join(wrap(text, "")))
