"""The table of contents: chapter ids, titles and times. Everything that lists chapters reads it here."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Chapter:
    """``id`` is the notebook's name and nbgrader's assignment id; ``minutes`` is the printed time."""

    id: str
    title: str
    minutes: int

    @property
    def number(self) -> str:
        """``"05"``, ``"08b"``: what commands take for short, and what quiz ids contain."""
        return self.id.split("_", 1)[0]

    @property
    def module(self) -> str:
        """Name of the chapter's modules in ``course_lib.exercises`` and ``grading.answers``."""
        return f"ch{self.id}"

    @property
    def own_question(self) -> str:
        """``"own_05"``: the question with numbers of the learner's own that a graded course may add."""
        return f"own_{self.number}"


CHAPTERS: tuple[Chapter, ...] = (
    Chapter("00_why_a_training_loop", "Why write the loop yourself?", 35),
    Chapter("01_forward_pass", "Forward pass", 60),
    Chapter("02_loss_functions", "Loss functions", 60),
    Chapter("03_backward_pass", "Backward pass", 80),
    Chapter("04_optimizer_step", "Optimizer step", 75),
    Chapter("05_complete_loop", "The complete loop", 80),
    Chapter("06_dataloader", "DataLoader", 75),
    Chapter("07_training_dashboard", "Training dashboard", 65),
    Chapter("08_schedules_and_checkpoints", "Schedules, checkpoints, early stopping", 95),
    Chapter("08b_mixed_precision_gpu", "GPU lab: mixed precision", 75),
    Chapter("09_mastery", "Mastery", 110),
    Chapter("10_the_same_loop", "The same loop elsewhere", 135),
)


def find_chapter(name: str) -> Chapter:
    """The chapter called ``name``: its id or its number (``"05"``, ``"5"``, ``"08b"``).

    Raises ``LookupError`` with the list of chapters when there is none.
    """
    wanted = name.strip().removesuffix(".ipynb").lower()
    for chapter in CHAPTERS:
        if wanted in (chapter.id, chapter.number, chapter.number.removeprefix("0")):
            return chapter
    known = ", ".join(chapter.id for chapter in CHAPTERS)
    raise LookupError(f"no chapter called {name!r}. Known chapters: {known}.")
