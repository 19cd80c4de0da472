"""``python -m grading export``: scores back into the platform's grade book, and feedback pages under
the names that it takes.

The grade book's file is the roster that the platform exported, with one column filled in: its own
ids, its own column, points scaled to its maximum. Whoever cannot be matched is listed.
"""

import re
import zipfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

import typer

from course_lib.chapters import Chapter
from grading.classroom.cells import Table, is_formula, number_text, plain_cell, write_table
from grading.classroom.roster import Kind, Person, Roster, read_roster
from grading.errors import Problem, chapters_called
from grading.intake.deliver import Entry, Record
from grading.intake.reading import printable
from grading.nbgrader.course import feedback_page, load_course
from grading.nbgrader.scores import Score, scores_of

KINDS: tuple[Kind, ...] = ("canvas", "moodle", "csv")
#: "Grade" as Moodle's worksheet calls it in the languages that it is most used in.
_GRADE = (
    *("Grade", "Bewertung", "Calificación", "Note", "Nota", "Valutazione", "Cijfer", "Avaliação"),
    *(
        "Karakter",
        "Betyg",
        "Ocena",
        "Hodnocení",
        "Známka",
        "Arvosana",
        "Qualificació",
        "成绩",
        "評点",
    ),
)
_MAXIMUM = (
    *("Maximum grade", "Maximum Grade", "Beste Bewertung", "Bestwertung", "Calificación máxima"),
    *("Note maximale", "Nota máxima", "Valutazione massima", "Maximumcijfer", "Ocena maksymalna"),
)


@dataclass
class Exported:
    """The files that were written and what an instructor has to know."""

    files: list[Path] = field(default_factory=list)
    written: int = 0
    notes: list[str] = field(default_factory=list)


def export(
    names: list[str],
    kind: str,
    course: Path,
    roster_file: Path | None = None,
    out: Path | None = None,
    feedback: bool = False,
    column: str | None = None,
) -> Exported:
    """Write the files and print what was written and who was left out."""
    if kind not in KINDS:
        raise Problem(f"--to takes {', '.join(KINDS)}, not {kind!r}.")
    exporting = _Exporting(kind, course, roster_file, column)
    chapters = [chapter for chapter in chapters_called(names) if exporting.scores_in(chapter)]
    if not chapters:
        raise Problem(f"{course} holds no marks of these chapters: run `python -m grading grade`.")
    if kind != "csv" and len(chapters) > 1:
        raise Problem(
            f"{kind} takes one assignment a file; name one of: "
            + ", ".join(chapter.number for chapter in chapters)
        )
    folder = course / "export"
    stem = chapters[0].id if len(chapters) == 1 else "course"
    done = exporting.write(chapters, out or folder / f"{stem}-{kind}.csv")
    if feedback:
        exporting.write_pages(chapters, folder / f"{stem}-{kind}-feedback.zip", done)
    for file in done.files:
        typer.echo(f"{file}")
    for note in done.notes:
        typer.echo(note)
    return done


class _Exporting:
    def __init__(
        self, kind: Kind, course: Path, roster_file: Path | None, column: str | None
    ) -> None:
        self.kind, self.course, self.column = kind, course, column
        self.config = load_course(course)
        self.roster = None if roster_file is None else read_roster(roster_file, kind)
        self._scores: dict[str, list[Score]] = {}

    def scores_in(self, chapter: Chapter) -> list[Score]:
        if chapter.id not in self._scores:
            self._scores[chapter.id] = scores_of(self.config, chapter.id)
        return self._scores[chapter.id]

    def _entries(self, chapter: Chapter) -> dict[str, Entry]:
        """What was collected from the platform, by learner; from other chapters, too."""
        found: dict[str, Entry] = {}
        folders = (self.course / "downloaded").glob("*")
        for folder in sorted(folders, key=lambda folder: folder.name == chapter.id):
            for entry in Record(folder).entries.values():
                if entry.platform == self.kind or self.kind == "csv":
                    found[entry.learner] = entry
        return found

    def _people(self, chapter: Chapter) -> tuple[dict[str, Person], dict[str, str]]:
        learners = [score.learner for score in self.scores_in(chapter)]
        entries = self._entries(chapter)
        numbers = {learner: entry.number for learner, entry in entries.items()}
        if self.roster is not None:
            return self.roster.match(learners, numbers)
        if self.kind == "csv":
            return {name: Person(place, "", name) for place, name in enumerate(learners)}, {}
        known = {
            name: Person(place, numbers[name], entries[name].name)
            for place, name in enumerate(learners)
            if numbers.get(name)
        }
        reason = f"not collected from {self.kind}, so its number there is unknown: give --roster"
        return known, {name: reason for name in learners if name not in known}

    # --- the grade book --------------------------------------------------------------------------

    def write(self, chapters: Sequence[Chapter], file: Path) -> Exported:
        done = Exported()
        if self.kind == "csv":
            self._write_csv(chapters, file, done)
        else:
            self._write_platform(chapters[0], file, done)
        done.files.append(file)
        return done

    def _write_csv(self, chapters: Sequence[Chapter], file: Path, done: Exported) -> None:
        header = ["learner", "chapter", "score", "max_score", "late_penalty", "submitted_utc"]
        title = self.roster.table.header if self.roster else []
        rows = []
        for chapter in chapters:
            people, unknown = self._people(chapter)
            self._note(chapter, unknown, done)
            for score in self._graded(chapter, done):
                person = people.get(score.learner)
                if person is None:
                    continue
                own = self.roster.table.rows[person.row] if self.roster else []
                when = "" if score.submitted is None else f"{score.submitted:%Y-%m-%d %H:%M:%S}"
                numbers = (score.final, score.max_score, score.penalty)
                cells = [score.learner, chapter.id, *map(number_text, numbers), when, *own]
                rows.append([plain_cell(cell) for cell in cells])
        done.written = len(rows)
        write_table(file, [*header, *map(plain_cell, title)], rows)

    def _write_platform(self, chapter: Chapter, file: Path, done: Exported) -> None:
        people, unknown = self._people(chapter)
        self._note(chapter, unknown, done)
        scores = {s.learner: s for s in self._graded(chapter, done) if s.learner in people}
        roster = self.roster or _made_up(self.kind, chapter, people, self.scores_in(chapter))
        place = self._grade_column(roster, chapter)
        fill = _fill_canvas if self.kind == "canvas" else _fill_moodle
        by_row = {people[name].row: score for name, score in scores.items()}
        header, rows = fill(roster, place, by_row, done)
        done.written = len(by_row)
        write_table(file, header, rows, roster.table.delimiter)
        if self.roster is not None:
            absent = [one.name for one in roster.people if one.row not in by_row]
            if absent:
                names = ", ".join(printable(name) for name in absent)
                done.notes.append(f"In the roster, without a score: {len(absent)} ({names})")

    def _grade_column(self, roster: Roster, chapter: Chapter) -> int:
        table = roster.table
        if self.column is not None:
            place = table.column(self.column)
            if place is None:
                raise Problem(
                    f"the roster has no column {self.column!r}. It has: {', '.join(table.header)}."
                )
            return place
        if self.kind == "moodle":
            place = table.column(*_GRADE)
            if place is None:
                raise Problem(
                    "which column of the worksheet is the grade? Name it with --column: "
                    + ", ".join(table.header[1:])
                )
            return place
        after = table.column("Section") or 0
        titles = [(i, title) for i, title in enumerate(table.header) if i > after]
        titles = [(i, t) for i, t in titles if not _read_only(table, i)]
        found = [i for i, title in titles if _is_of(chapter, title)]
        if len(found) == 1:
            return found[0]
        listed = ", ".join(title for _, title in titles) or "none"
        raise Problem(
            f"which column of the grade book is {chapter.id}? Name it with --column. "
            f"Assignments there: {listed}."
        )

    def _graded(self, chapter: Chapter, done: Exported) -> Iterator[Score]:
        waiting = []
        for score in self.scores_in(chapter):
            if score.graded:
                yield score
            else:
                waiting.append(printable(score.learner))
        if waiting:
            done.notes.append(
                f"{chapter.number}, not graded yet, so not exported: {len(waiting)} "
                f"({', '.join(waiting)}). `python -m grading report {chapter.number}` says why."
            )

    def _note(self, chapter: Chapter, unknown: Mapping[str, str], done: Exported) -> None:
        for learner, reason in unknown.items():
            done.notes.append(f"! {chapter.number} {printable(learner)}: {reason}")

    # --- feedback pages --------------------------------------------------------------------------

    def write_pages(self, chapters: Sequence[Chapter], file: Path, done: Exported) -> None:
        """An archive of the pages, each where the platform looks for that person's feedback."""
        taken: set[str] = set()
        try:
            file.parent.mkdir(parents=True, exist_ok=True)
            with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
                for chapter in chapters:
                    for name, page in self._pages(chapter, done):
                        if name in taken:
                            done.notes.append(f"! {name}: there are two pages of that name")
                            continue
                        taken.add(name)
                        archive.write(page, name)
        except OSError as error:
            raise Problem(f"cannot write {file}: {error.strerror}.") from None
        done.files.append(file)

    def _pages(self, chapter: Chapter, done: Exported) -> Iterator[tuple[str, Path]]:
        people, _ = self._people(chapter)
        entries = {
            entry.learner: entry
            for entry in Record(self.course / "downloaded" / chapter.id).entries.values()
            if entry.platform == self.kind
        }
        for score in self.scores_in(chapter):
            learner = score.learner
            page = feedback_page(self.config, learner, chapter.id)
            if self.kind == "csv":
                name = f"{learner}/{chapter.id}.html"
            elif self.kind == "canvas":
                name = _canvas_page(entries.get(learner))
            else:
                name = _moodle_page(people.get(learner), entries.get(learner), chapter)
            if not name:
                done.notes.append(
                    f"! {chapter.number} {printable(learner)}: no page sent, since its work was not "
                    f"collected from {self.kind}"
                )
            elif not page.is_file():
                done.notes.append(f"! {chapter.number} {printable(learner)}: no feedback page yet")
            else:
                yield name, page


def _canvas_page(entry: Entry | None) -> str:
    """Canvas reads two numbers in the name, the person's and the attached file's: only files that
    were downloaded from it can be answered."""
    if entry is None:
        return ""
    ending = r"(\.ipynb|\.json|\.txt|\.zip|\.tar(\.\w+)?|\.tgz)+$"
    return re.sub(ending, "", PurePosixPath(entry.member).name, flags=re.I) + ".html"


def _moodle_page(person: Person | None, entry: Entry | None, chapter: Chapter) -> str:
    """Moodle splits the folder's name at "_" and reads the number from the second part; the last one
    is for versions before 4.1."""
    number = entry.number if entry else person.number if person else ""
    name = (entry.name if entry else person.name if person else "").replace("_", " ")
    name = re.sub(r'[\\/:*?"<>|~\x00-\x1f]+', " ", name).strip(" .") or "Participant"
    return f"{name}_{number}_assignsubmission_file_/{chapter.id}.html" if number else ""


# --- the platforms' files --------------------------------------------------------------------------


def _is_of(chapter: Chapter, title: str) -> bool:
    """Does an assignment's title name the chapter, by its id, its title or "Chapter 5"?"""
    text = re.sub(r" \(\d+\)$", "", title).casefold()
    number = chapter.number.lstrip("0") or "0"
    return (
        chapter.id in text
        or chapter.title.casefold() in text
        or re.search(rf"\bchapter 0*{number}\b", text) is not None
    )


def _points_row(table: Table) -> int | None:
    for place, row in enumerate(table.rows):
        if "Points Possible" in row[0]:
            return place
    return None


def _read_only(table: Table, column: int) -> bool:
    place = _points_row(table)
    return place is not None and "read only" in table.rows[place][column].casefold()


def _number(text: str) -> float | None:
    try:
        return float(text.strip().replace(",", "."))
    except ValueError:
        return None


def _scaled(score: Score, maximum: float | None) -> str:
    if not maximum or not score.max_score:
        return number_text(score.final)
    return number_text(score.final * maximum / score.max_score)


def _note_scale(maximum: float | None, by_row: Mapping[int, Score], done: Exported) -> None:
    ours = next((score.max_score for score in by_row.values()), maximum)
    if maximum and maximum != ours:
        done.notes.append(f"Scaled: {ours:g} points of the course are {maximum:g} there.")


def _fill_canvas(
    roster: Roster, place: int, by_row: Mapping[int, Score], done: Exported
) -> tuple[list[str], list[list[str]]]:
    """The people's columns and the one assignment, for those with a score: Canvas leaves alone what
    a file does not mention, and takes an empty cell for a score that was deleted."""
    table = roster.table
    people = range((table.column("Section") or 0) + 1)
    points = _points_row(table)
    maximum = None if points is None else _number(table.rows[points][place])
    _note_scale(maximum, by_row, done)
    rows = []
    if points is not None:
        row = table.rows[points]
        rows.append([*(row[i] for i in people), row[place]])
    for row_place, score in by_row.items():
        row = table.rows[row_place]
        rows.append([*(plain_cell(row[i]) for i in people), _scaled(score, maximum)])
    return [*(table.header[i] for i in people), table.header[place]], rows


def _fill_moodle(
    roster: Roster, place: int, by_row: Mapping[int, Score], done: Exported
) -> tuple[list[str], list[list[str]]]:
    """The worksheet with grades. A column of comments that a spreadsheet would compute is left out:
    with an apostrophe before it, Moodle would import it as a new comment."""
    table = roster.table
    maximum_column = table.column(*_MAXIMUM)
    if maximum_column is None:
        maximum_column = place + 1
    maxima = {row: _number(table.rows[row][maximum_column]) for row in by_row}
    _note_scale(next(iter(maxima.values()), None), by_row, done)
    kept = []
    for column, title in enumerate(table.header):
        computed = any(is_formula(row[column]) for row in table.rows)
        if computed and column not in (0, 1, 2, place):
            done.notes.append(f"Column {title!r} was left out: a spreadsheet would compute it.")
        else:
            kept.append(column)
    rows = []
    for row_place, score in by_row.items():
        row = [*table.rows[row_place]]
        row[place] = _scaled(score, maxima[row_place])
        rows.append([plain_cell(row[column]) for column in kept])
    return [table.header[column] for column in kept], rows


def _made_up(
    kind: Kind, chapter: Chapter, people: Mapping[str, Person], scores: Sequence[Score]
) -> Roster:
    """Without the platform's own file: what its import needs at least, from the numbers that the
    downloads had."""
    maximum = number_text(scores[0].max_score)
    by_row = sorted(people.values(), key=lambda person: person.row)
    size = max((person.row for person in by_row), default=-1) + 1
    if kind == "canvas":
        header = ["Student", "ID", "SIS Login ID", "Section", chapter.id]
        rows = [[""] * len(header) for _ in range(size)]
        for person in by_row:
            rows[person.row][:2] = [person.name, person.number]
        rows.append(["    Points Possible", "", "", "", maximum])
    else:
        header = ["Identifier", "Full name", "Grade", "Maximum grade", "Last modified (grade)"]
        rows = [[""] * len(header) for _ in range(size)]
        for person in by_row:
            number = f"Participant {person.number}"
            rows[person.row] = [number, person.name, "", maximum, "-"]
    return Roster(kind, Table(header, rows), tuple(by_row))
