"""The people of a course as a platform exports them, and which of them a learner's folder belongs to.

Called by ``export``. A learner is matched by the platform's own number where it is known, else by an
id, login, address or name that exactly one person has; never by what is merely similar.
"""

import re
import unicodedata
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from grading.classroom.cells import Table, read_table
from grading.errors import Problem

Kind = Literal["canvas", "moodle", "csv"]
_NAMES = ("Student", "Full name", "Name", "Vollständiger Name", "Nom complet", "Nombre completo")
#: What identifies one person, in files of every kind.
_IDS = (
    *("ID", "SIS User ID", "SIS Login ID", "Integration ID", "ID number", "Identifier", "Username"),
    *("Email", "Email address", "E-mail", "E-Mail-Adresse", "Login", "Student ID", "learner"),
    *("identifier", "github_username", "User ID", "OrgDefinedId"),
)


@dataclass(frozen=True)
class Person:
    """A row of the roster: its place, the platform's number, and all that may name the person."""

    row: int
    number: str
    name: str
    known_as: frozenset[str] = field(default_factory=frozenset)


@dataclass(frozen=True)
class Roster:
    """The exported file and its people."""

    table: Table
    people: tuple[Person, ...]

    def match(
        self, learners: Iterable[str], numbers: Mapping[str, str]
    ) -> tuple[dict[str, Person], dict[str, str]]:
        """Who each learner is, and for the others why it is unknown. ``numbers`` are the platform's
        numbers of learners whose work came from there."""
        matched: dict[str, Person] = {}
        unknown: dict[str, str] = {}
        for learner in learners:
            found = self._candidates(learner, numbers.get(learner, ""))
            if len(found) == 1:
                matched[learner] = found[0]
            elif found:
                unknown[learner] = f"{len(found)} people in the roster could be meant"
            else:
                unknown[learner] = "not in the roster"
        for learner, person in list(matched.items()):
            others = [name for name, one in matched.items() if one == person and name != learner]
            if others:
                unknown[learner] = f"the same person in the roster as {', '.join(others)}"
        return {name: one for name, one in matched.items() if name not in unknown}, unknown

    def _candidates(self, learner: str, number: str) -> list[Person]:
        if number:
            return [person for person in self.people if person.number == number]
        wanted = _folded(learner)
        found = [person for person in self.people if wanted in person.known_as]
        numbered = re.fullmatch(r"(.+)_(\d+)", learner)
        if found or numbered is None:
            return found
        # As ``zip_collect`` calls people: the name has to fit, too.
        name, number = _letters(numbered[1]), numbered[2]
        return [
            person
            for person in self.people
            if person.number == number and name in {_letters(text) for text in person.known_as}
        ]


def read_roster(file: Path, kind: Kind) -> Roster:
    """The roster that a platform exported; ``Problem`` when it is not one of that platform."""
    table = read_table(file)
    if kind == "canvas":
        identifier = table.column("ID")
        if identifier is None or table.column("Section") is None:
            raise Problem(
                f"{file} is not a grade book of Canvas, it has no columns ID and Section: "
                "in Canvas, Grades > Export > Export Entire Gradebook."
            )
    elif kind == "moodle":
        identifier = 0
        numbered = [bool(re.search(r"\d$", row[0].strip())) for row in table.rows]
        if not all(numbered) or len(table.header) < 3:
            raise Problem(
                f"{file} is not a grading worksheet of Moodle, which has a participant's number in "
                "its first column: in the assignment, Actions > Download grading worksheet."
            )
    else:
        identifier = table.column(*_IDS)
    people = [_person(table, place, identifier, kind) for place in range(len(table.rows))]
    return Roster(table, tuple(person for person in people if person is not None))


def _person(table: Table, place: int, identifier: int | None, kind: Kind) -> Person | None:
    row = table.rows[place]
    cell = row[identifier].strip() if identifier is not None else ""
    if kind == "canvas" and not cell.isdigit():
        return None  # "Points Possible", "Manual Posting", the test student
    number = re.search(r"(\d+)$", cell)
    name_column = table.column(*_NAMES)
    columns = [table.column(name) for name in _IDS]
    texts = {row[column].strip() for column in columns if column is not None}
    name = row[name_column].strip() if name_column is not None else cell
    last, comma, first = name.partition(",")
    texts |= {name, f"{first.strip()} {last.strip()}" if comma else name}
    if kind == "moodle":
        texts.add(cell.removesuffix(number[1]) if number else cell)  # "Participant", blind marking
    return Person(
        row=place,
        number=number[1] if number else "",
        name=name,
        known_as=frozenset(_folded(text) for text in texts if text),
    )


def _letters(text: str) -> str:
    """Canvas leaves out of a name what is neither letter nor digit."""
    return "".join(char for char in _folded(text) if char.isalnum())


def _folded(text: str) -> str:
    return " ".join(unicodedata.normalize("NFC", text).casefold().split())
