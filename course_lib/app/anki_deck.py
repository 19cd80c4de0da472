"""``python -m course_lib review --anki FILE``: all quiz questions as a deck for Anki.

The numbers below identify the deck and its kind of note: with them a later export updates the cards
that a learner has, in place of adding new ones.
"""

import html
from pathlib import Path

from course_lib.answers import quiz_answer
from course_lib.app.review import need_answers
from course_lib.chapters import CHAPTERS
from course_lib.errors import Problem
from course_lib.quiz import Question, chapter_questions

_DECK, _NOTE = 1_764_370_001, 1_764_370_002
_NAME = "PyTorch training loop"


def write(path: Path) -> int:
    """Write the deck to ``path``; returns the exit status."""
    try:
        import genanki
    except ImportError as error:
        raise Problem(
            'an Anki deck needs the package genanki: pip install -c constraints.txt -e ".[review]"'
        ) from error
    need_answers()
    kind = genanki.Model(
        _NOTE,
        f"{_NAME}: question",
        fields=[{"name": "Question"}, {"name": "Answer"}],
        templates=[
            {
                "name": "Card",
                "qfmt": "{{Question}}",
                "afmt": '{{FrontSide}}<hr id="answer">{{Answer}}',
            }
        ],
    )
    deck = genanki.Deck(_DECK, _NAME)
    for chapter in CHAPTERS:
        for question in chapter_questions(chapter):
            fields = [_front(question), _back(question)]
            tags = [f"chapter-{chapter.number}"]
            guid = genanki.guid_for(_NAME, question.id)
            deck.add_note(genanki.Note(model=kind, fields=fields, tags=tags, guid=guid))
    try:
        genanki.Package(deck).write_to_file(str(path))
    except OSError as error:
        raise Problem(f"cannot write {path}: {error.strerror or error}") from error
    print(f"{len(deck.notes)} questions are in {path}. In Anki: File, Import.")
    return 0


def _front(question: Question) -> str:
    options = "".join(
        f"<li>{letter}: {html.escape(text)}</li>" for letter, text in question.options.items()
    )
    return f"{html.escape(question.text)}<ul>{options}</ul>"


def _back(question: Question) -> str:
    known = quiz_answer(question.id)
    reasons = "".join(f"<li>{letter}: {html.escape(why)}</li>" for letter, why in known.why.items())
    return f"<b>{known.key}</b>: {html.escape(question.options[known.key])}<ul>{reasons}</ul>"
