"""``python -m grading export``: scores back into the platform's grade book, and feedback pages under
the names that it takes.

The grade book's file is the roster that the platform exported, with one column filled in: its own
ids, its own column, points scaled to its maximum. Whoever cannot be matched is listed.
"""

import re
import zipfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import cache
from pathlib import Path, PurePosixPath

import typer

from course_lib.chapters import Chapter
from grading.classroom.cells import Table, is_formula, number_text, plain_cell, write_table
from grading.classroom.roster import Kind, Person, read_roster
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


def export(
    names: list[str],
    kind: str,
    course: Path,
    roster_file: Path | None = None,
    out: Path | None = None,
    feedback: bool = False,
    column: str | None = None,
) -> None:
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
    files = [out or folder / f"{stem}-{kind}.csv"]
    if kind == "csv":
        exporting.write_csv(chapters, files[0])
    else:
        exporting.write_platform(chapters[0], files[0])
    if feedback:
        files.append(folder / f"{stem}-{kind}-feedback.zip")
        exporting.write_pages(chapters, files[1])
    for line in [*files, *exporting.notes]:
        typer.echo(line)


class _Exporting:
    def __init__(
        self, kind: Kind, course: Path, roster_file: Path | None, column: str | None
    ) -> None:
        self.kind, self.course, self.column = kind, course, column
        self.config = load_course(course)
        self.roster = None if roster_file is None else read_roster(roster_file, kind)
        #: What an instructor has to know.
        self.notes: list[str] = []

    @cache  # noqa: B019  one object a command
    def scores_in(self, chapter: Chapter) -> list[Score]:
        return scores_of(self.config, chapter.id)

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
        numbered = filter(numbers.get, learners)
        known = {
            name: Person(place, numbers[name], entries[name].name)
            for place, name in enumerate(numbered)
        }
        reason = f"not collected from {self.kind}, so its number there is unknown: give --roster"
        return known, {name: reason for name in learners if name not in known}

    # --- the grade book --------------------------------------------------------------------------

    def write_csv(self, chapters: Sequence[Chapter], file: Path) -> None:
        header = ["learner", "chapter", "score", "max_score", "late_penalty", "submitted_utc"]
        title = self.roster.table.header if self.roster else []
        rows = []
        for chapter in chapters:
            people = self._known(chapter)
            for score in self._graded(chapter):
                person = people.get(score.learner)
                if person is None:
                    continue
                own = self.roster.table.rows[person.row] if self.roster else []
                when = "" if score.submitted is None else f"{score.submitted:%Y-%m-%d %H:%M:%S}"
                numbers = (score.final, score.max_score, score.penalty)
                cells = [score.learner, chapter.id, *map(number_text, numbers), when, *own]
                rows.append([plain_cell(cell) for cell in cells])
        write_table(file, [*header, *map(plain_cell, title)], rows)

    def write_platform(self, chapter: Chapter, file: Path) -> None:
        people = self._known(chapter)
        by_row = {people[s.learner].row: s for s in self._graded(chapter) if s.learner in people}
        if self.roster is not None:
            table = self.roster.table
        else:
            maximum = number_text(self.scores_in(chapter)[0].max_score)
            table = _made_up(self.kind, chapter, people.values(), maximum)
        fill = _fill_canvas if self.kind == "canvas" else _fill_moodle
        header, rows = fill(table, self._grade_column(table, chapter), by_row, self.notes)
        write_table(file, header, rows, table.delimiter)
        if self.roster is not None:
            absent = [one.name for one in self.roster.people if one.row not in by_row]
            if absent:
                names = ", ".join(printable(name) for name in absent)
                self.notes.append(f"In the roster, without a score: {len(absent)} ({names})")

    def _grade_column(self, table: Table, chapter: Chapter) -> int:
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
        points = _points_row(table)
        titles = [
            (i, title)
            for i, title in enumerate(table.header)
            if i > after and not (points and "read only" in points[i].casefold())
        ]
        found = [i for i, title in titles if _is_of(chapter, title)]
        if len(found) == 1:
            return found[0]
        listed = ", ".join(title for _, title in titles) or "none"
        raise Problem(
            f"which column of the grade book is {chapter.id}? Name it with --column. "
            f"Assignments there: {listed}."
        )

    def _graded(self, chapter: Chapter) -> Iterator[Score]:
        waiting = []
        for score in self.scores_in(chapter):
            if score.graded:
                yield score
            else:
                waiting.append(printable(score.learner))
        if waiting:
            self.notes.append(
                f"{chapter.number}, not graded yet, so not exported: {len(waiting)} "
                f"({', '.join(waiting)}). `python -m grading report {chapter.number}` says why."
            )

    def _known(self, chapter: Chapter) -> dict[str, Person]:
        people, unknown = self._people(chapter)
        for learner, reason in unknown.items():
            self._note(chapter, learner, reason)
        return people

    def _note(self, chapter: Chapter, learner: str, reason: str) -> None:
        self.notes.append(f"! {chapter.number} {printable(learner)}: {reason}")

    # --- feedback pages --------------------------------------------------------------------------

    def write_pages(self, chapters: Sequence[Chapter], file: Path) -> None:
        """An archive of the pages, each where the platform looks for that person's feedback."""
        taken: set[str] = set()
        try:
            file.parent.mkdir(parents=True, exist_ok=True)
            with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
                for chapter in chapters:
                    for name, page in self._pages(chapter):
                        if name in taken:
                            self.notes.append(f"! {name}: there are two pages of that name")
                            continue
                        taken.add(name)
                        archive.write(page, name)
        except OSError as error:
            raise Problem(f"cannot write {file}: {error.strerror}.") from None

    def _pages(self, chapter: Chapter) -> Iterator[tuple[str, Path]]:
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
                reason = f"no page sent, since its work was not collected from {self.kind}"
                self._note(chapter, learner, reason)
            elif not page.is_file():
                self._note(chapter, learner, "no feedback page yet")
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


def _points_row(table: Table) -> list[str] | None:
    return next((row for row in table.rows if "Points Possible" in row[0]), None)


def _number(text: str) -> float | None:
    try:
        return float(text.strip().replace(",", "."))
    except ValueError:
        return None


def _scaled(score: Score, maximum: float | None) -> str:
    if not maximum or not score.max_score:
        return number_text(score.final)
    return number_text(score.final * maximum / score.max_score)


def _note_scale(maximum: float | None, by_row: Mapping[int, Score], notes: list[str]) -> None:
    ours = next((score.max_score for score in by_row.values()), maximum)
    if maximum and maximum != ours:
        notes.append(f"Scaled: {ours:g} points of the course are {maximum:g} there.")


def _fill_canvas(
    table: Table, place: int, by_row: Mapping[int, Score], notes: list[str]
) -> tuple[list[str], list[list[str]]]:
    """The people's columns and the one assignment, for those with a score: Canvas leaves alone what
    a file does not mention, and takes an empty cell for a score that was deleted."""
    people = range((table.column("Section") or 0) + 1)
    kept = [*people, place]
    points = _points_row(table)
    maximum = _number(points[place]) if points else None
    _note_scale(maximum, by_row, notes)
    rows = [[points[i] for i in kept]] if points else []
    for row, score in by_row.items():
        theirs = [plain_cell(table.rows[row][i]) for i in people]
        rows.append([*theirs, _scaled(score, maximum)])
    return [table.header[i] for i in kept], rows


def _fill_moodle(
    table: Table, place: int, by_row: Mapping[int, Score], notes: list[str]
) -> tuple[list[str], list[list[str]]]:
    """The worksheet with grades. A column of comments that a spreadsheet would compute is left out:
    with an apostrophe before it, Moodle would import it as a new comment."""
    maximum_column = table.column(*_MAXIMUM)
    if maximum_column is None:
        maximum_column = place + 1
    maxima = {row: _number(table.rows[row][maximum_column]) for row in by_row}
    _note_scale(next(iter(maxima.values()), None), by_row, notes)
    kept = []
    for column, title in enumerate(table.header):
        computed = any(is_formula(row[column]) for row in table.rows)
        if computed and column not in (0, 1, 2, place):
            notes.append(f"Column {title!r} was left out: a spreadsheet would compute it.")
        else:
            kept.append(column)
    rows = []
    for row_place, score in by_row.items():
        row = [*table.rows[row_place]]
        row[place] = _scaled(score, maxima[row_place])
        rows.append([plain_cell(row[column]) for column in kept])
    return [table.header[column] for column in kept], rows


def _made_up(kind: Kind, chapter: Chapter, people: Iterable[Person], maximum: str) -> Table:
    """Without the platform's own file: what its import needs at least, from the numbers that the
    downloads had."""
    if kind == "canvas":
        header = ["Student", "ID", "SIS Login ID", "Section", chapter.id]
        rows = [[one.name, one.number, "", "", ""] for one in people]
        rows.append(["    Points Possible", "", "", "", maximum])
    else:
        header = ["Identifier", "Full name", "Grade", "Maximum grade", "Last modified (grade)"]
        rows = [[f"Participant {one.number}", one.name, "", maximum, "-"] for one in people]
    return Table(header, rows)
