"""``python -m grading verify``: the author's linter. An exercise is complete when its notebook has
its cells, its stub a docstring, its hints are two, and the test of the tests holds: an untouched
stub earns nothing, the reference and its variants everything, and each misconception is caught
under its own name. A quiz is complete when key, explanations and proofs agree."""

import ast
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from course_lib.chapters import Chapter
from course_lib.exercises import chapter_exercises
from course_lib.exercises.checking.model import Exercise
from course_lib.quiz import LETTERS, Question, chapter_questions
from grading.answers import find_answer, quiz_key
from grading.answers.model import QuizKey
from grading.authoring.build import written_chapters
from grading.authoring.mutation_matrix import exercise_rows
from grading.chapter_text.cells import SourceCell, read_chapter
from grading.chapter_text.regions import RegionError, cut_solutions
from grading.errors import Problem
from grading.paths import text_source

QUESTIONS_PER_CHAPTER = 3
STAGES_OF_HINTS = 2
RIGHT_VARIANTS = 3


@dataclass(frozen=True)
class LintResult:
    """One thing that was checked about one item (an exercise, a question or the chapter)."""

    item: str
    check: str
    ok: bool
    detail: str = ""


def verify(names: list[str], console: Console | None = None) -> bool:
    """Check the chapters and print a table of each; whether everything was in order."""
    console = console or Console()
    complete = True
    for chapter in written_chapters(names):
        results = list(chapter_results(chapter))
        wrong = [result for result in results if not result.ok]
        console.print(_table(chapter, results))
        for result in wrong:
            line = f"{chapter.number} {result.item}, {result.check}: {result.detail}"
            console.print(f"[red]\u2717[/] {escape(line)}")
        complete = complete and not wrong
    return complete


def chapter_results(chapter: Chapter) -> Iterator[LintResult]:
    """Everything that ``verify`` checks about one chapter."""
    cells = read_chapter(text_source(chapter))
    exercises = chapter_exercises(chapter)
    yield from cells_results(chapter, cells, exercises)
    stubs = {cell.name: cell for cell in cells if cell.role == "solution"}
    for exercise in exercises:
        yield from exercise_results(exercise, stubs.get(exercise.name))
    for exercise in exercises:
        yield from answer_results(exercise)
    yield from quiz_results(chapter.number, chapter_questions(chapter))


def answer_results(exercise: Exercise) -> Iterator[LintResult]:
    """What the secret half promises; a half that cannot run does not hide the other exercises."""
    try:
        variants = len(find_answer(exercise.name).variants)
        detail = f"{variants} right variants, not {RIGHT_VARIANTS} or more"
        yield LintResult(exercise.name, "variants", variants >= RIGHT_VARIANTS, detail)
        for row in exercise_rows(exercise):
            score = f"{row.outcome.score:g} of {row.outcome.max_score:g} points"
            detail = f"{row.solution.label}: {score}. {row.detail}".strip()
            yield LintResult(exercise.name, row.solution.kind, row.ok, detail)
    except Problem as error:  # it says itself what to do
        yield LintResult(exercise.name, "matrix", False, str(error))
    except Exception as error:  # an author's own code, stub or answers, did not even run
        yield LintResult(exercise.name, "matrix", False, f"{type(error).__name__}: {error}")


def cells_results(
    chapter: Chapter, cells: list[SourceCell], exercises: tuple[Exercise, ...]
) -> Iterator[LintResult]:
    """Whether the notebook has the cells of all exercises and questions, and no others."""
    for role, wanted in (
        ("solution", [exercise.name for exercise in exercises]),
        ("tests", [exercise.name for exercise in exercises]),
        ("quiz", [question.id for question in chapter_questions(chapter)]),
    ):
        found = [cell.name for cell in cells if cell.role == role]
        missing = [name for name in wanted if name not in found]
        unknown = [name for name in found if name not in wanted]
        detail = f"without a cell: {_names(missing)}; not in course_lib: {_names(unknown)}"
        yield LintResult("chapter", f"{role} cells", sorted(found) == sorted(wanted), detail)


def _names(names: list[str]) -> str:
    return ", ".join(names) or "none"


def exercise_results(exercise: Exercise, solution: SourceCell | None) -> Iterator[LintResult]:
    """Whether the parts that an author writes by hand are there."""
    hints = [hint for hint in exercise.hints if hint.strip()]
    detail = f"{len(hints)} of {STAGES_OF_HINTS} hints are written"
    yield LintResult(exercise.name, "hints", len(set(hints)) == STAGES_OF_HINTS, detail)
    yield LintResult(exercise.name, "task", bool(exercise.task.strip()), "its task is empty")
    if solution is not None:
        problem = _docstring_problem(exercise, solution)
        yield LintResult(exercise.name, "docstring", not problem, problem)


def _docstring_problem(exercise: Exercise, solution: SourceCell) -> str:
    """What is wrong with the stub's docstrings; empty when every subject has one."""
    try:
        tree = ast.parse(cut_solutions(solution.text, exercise.name))
    except (RegionError, SyntaxError) as error:
        return f"the stub is not valid Python: {error}"
    defined = {
        node.name: ast.get_docstring(node)
        for node in tree.body
        if isinstance(node, ast.FunctionDef | ast.ClassDef)
    }
    for subject in exercise.subjects:
        if subject not in defined:
            return f"the stub does not define {subject}"
        if not defined[subject]:
            return f"the stub's {subject} has no docstring"
    return ""


def quiz_results(number: str, questions: Sequence[Question]) -> Iterator[LintResult]:
    """Whether the quiz of chapter ``number`` is complete."""
    detail = f"{len(questions)} questions, not {QUESTIONS_PER_CHAPTER}"
    yield LintResult("chapter", "questions", len(questions) == QUESTIONS_PER_CHAPTER, detail)
    for position, question in enumerate(questions, 1):
        wanted = f"q{number}_{position}"
        detail = f"question {position} of the chapter must be called {wanted}"
        yield LintResult(question.id, "id", question.id == wanted, detail)
        options = [text.strip() for text in question.options.values()]
        different = all(options) and len(set(options)) == len(options)
        yield LintResult(question.id, "options", different, "options must be four different texts")
        try:
            key = quiz_key(question.id)
        except LookupError as error:
            yield LintResult(question.id, "key", False, str(error))
        else:
            yield from key_results(key)


def key_results(key: QuizKey) -> Iterator[LintResult]:
    """Whether a key names an option, explains all of them, and agrees with its proof."""
    yield LintResult(key.id, "key", key.key in LETTERS, f"its key is {key.key!r}")
    missing = [letter for letter in LETTERS if not key.why.get(letter, "").strip()]
    yield LintResult(key.id, "why", not missing, f"no explanation of {_names(missing)}")
    if key.proof is not None:
        try:
            proved = key.proof()
        except Exception as error:  # an author's snippet may do anything
            proved = f"{type(error).__name__}: {error}"
        detail = f"the key says {key.key}, running the proof says {proved!r}"
        yield LintResult(key.id, "proof", proved == key.key, detail)


def _table(chapter: Chapter, results: list[LintResult]) -> Table:
    """One line an item; per check, how many of how many are in order."""
    table = Table("item", title=f"{chapter.number}. {chapter.title}", title_justify="left")
    table.add_column("in order")
    for item in dict.fromkeys(result.item for result in results):
        counts: dict[str, list[bool]] = {}
        for result in results:
            if result.item == item:
                counts.setdefault(result.check, []).append(result.ok)
        cell = "  ".join(_count(check, oks) for check, oks in counts.items())
        table.add_row(escape(item), cell)
    return table


def _count(check: str, oks: list[bool]) -> str:
    color, symbol = ("green", "\u2713") if all(oks) else ("red", "\u2717 failed:")
    number = f" {sum(oks)}/{len(oks)}" if len(oks) > 1 else ""
    return f"[{color}]{symbol} {escape(check)}{number}[/]"
