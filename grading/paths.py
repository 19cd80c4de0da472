"""Where the three forms of a chapter lie - text source, solved notebook, released notebook - and what a
course directory holds."""

from pathlib import Path

from course_lib.chapters import Chapter

REPOSITORY = Path(__file__).resolve().parent.parent
CHAPTERS_FOLDER = REPOSITORY / "grading" / "chapters"
SOURCE_FOLDER = REPOSITORY / "grading" / "source"
NOTEBOOKS_FOLDER = REPOSITORY / "notebooks"
COURSE_FOLDER = REPOSITORY / "course"


def text_source(chapter: Chapter, folder: Path = CHAPTERS_FOLDER) -> Path:
    """What the author edits."""
    return folder / f"{chapter.id}.py"


def solved_notebook(chapter: Chapter, folder: Path = SOURCE_FOLDER) -> Path:
    """What ``build`` makes: solved, executed, in nbgrader's layout of a source folder."""
    return folder / chapter.id / f"{chapter.id}.ipynb"


def released_notebook(chapter: Chapter, folder: Path = NOTEBOOKS_FOLDER) -> Path:
    """What ``release`` makes and a learner opens."""
    return folder / f"{chapter.id}.ipynb"


class CourseFolder:
    """A course directory: nbgrader's working folder with an instructor's data. Every path inside it that
    the course itself reads or writes is spelled here.

    Where the gradebook is and what nbgrader calls its steps' folders say nbgrader's settings.
    """

    def __init__(self, root: Path) -> None:
        self.root = root
        #: The instructor's settings; what has it is a course directory.
        self.config = root / "nbgrader_config.py"
        self.secret = root / "secret"
        #: There when the notebooks released into this folder are the graded edition's.
        self.edition = root / "edition"
        self.submitted = root / "submitted"
        self.exchange = root / "exchange"
        self.source = root / "source"
        #: Where checks count that run in submissions: not as the instructor's own progress.
        self.progress = root / ".progress"
        #: What kernels found out, by content hash.
        self.runs = root / "results" / "runs"
        #: Locked by the process that watches the course.
        self.watch = root / "results" / "watch.lock"
        #: Where nbgrader makes a release, until it stands.
        self.releasing = root / ".releasing"

    def marks(self, chapter: Chapter) -> Path:
        """What the last grading of a chapter said."""
        return self.root / "results" / "graded" / chapter.id

    def attempts(self, chapter: Chapter) -> Path:
        """What ``watch`` made of each submission that came through the exchange folder."""
        return self.root / "results" / "attempts" / chapter.id

    def turn(self, chapter: Chapter) -> Path:
        """Locked by the process that grades a chapter."""
        return self.root / "results" / f"{chapter.id}.lock"

    def release(self, chapter: Chapter) -> Path:
        """The notebook that learners of this course got."""
        return self.root / "release" / chapter.id / f"{chapter.id}.ipynb"

    def submission(self, learner: str, chapter: Chapter) -> Path:
        """A learner's folder of a chapter."""
        return self.submitted / learner / chapter.id
