"""``python -m course_lib lab | doctor | status | review | progress``: the learner's commands.

What a learner can fix ends in one line on stderr and a non-zero exit status. Each command
lives in a module of its own, imported when called: ``doctor`` works where torch does not.
"""

import argparse
import sys
from pathlib import Path
from typing import NoReturn

if sys.version_info < (3, 11):  # noqa: UP036 - in a clone pip has not looked
    sys.exit(
        f"error: the course needs Python 3.11 or newer, and this is {sys.version.split()[0]}. The README "
        "says how to start; PYTHON=python3.12 make learn chooses one that you have."
    )

from course_lib.app.terminal import answer
from course_lib.errors import Problem


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        sys.exit(_complain(f"{message}. See: python -m course_lib --help"))


def main(arguments: list[str] | None = None) -> int:
    """Run one command; returns the exit status."""
    options = _parser().parse_args(arguments)
    try:
        return _run(options)
    except Problem as problem:
        return _complain(str(problem))
    except KeyboardInterrupt:
        return 130


def _parser() -> argparse.ArgumentParser:
    parser = _Parser(prog="python -m course_lib", description="The PyTorch training loop.")
    commands = parser.add_subparsers(
        title="commands", dest="command", required=True, metavar="COMMAND"
    )

    lab = commands.add_parser("lab", help="open the course in JupyterLab")
    lab.add_argument("--no-browser", action="store_true", help="print the address only")
    lab.add_argument("--port", type=_port, default=8888, help="first port to try (default: 8888)")
    lab.add_argument("--folder", type=Path, help="where your copies are (default: my-course)")

    commands.add_parser("doctor", help="report what works here, and how to fix what does not")
    commands.add_parser("status", help="show which checks you have passed")

    review = commands.add_parser("review", help="answer the quiz questions that are due again")
    review.add_argument(
        "--anki", type=Path, metavar="FILE", help="write all questions as an Anki deck instead"
    )

    record = commands.add_parser("progress", help="take your progress to another machine")
    record.add_argument("what", choices=("export", "import"))
    record.add_argument("file", type=Path, metavar="FILE")
    return parser


def _port(text: str) -> int:
    if not (text.isascii() and text.isdecimal() and 0 < int(text) < 2**16):
        raise argparse.ArgumentTypeError(f"{text!r} is not a valid port; ports go from 1 to 65535")
    return int(text)


def _run(options: argparse.Namespace) -> int:
    if options.command == "lab":
        from course_lib.app import lab, workspace

        folder = options.folder or workspace.MY_COURSE
        return lab.open_lab(folder, browser=not options.no_browser, port=options.port)
    if options.command == "doctor":
        from course_lib.app import doctor

        return doctor.examine()
    if options.command == "status":
        from course_lib.app import status

        return status.show_status()
    if options.command == "review":
        from course_lib.app import anki_deck, review

        return anki_deck.write(options.anki) if options.anki else review.review()
    from course_lib.app import keep

    return (keep.export_to if options.what == "export" else keep.import_from)(options.file)


def _complain(message: str) -> int:
    print(f"error: {message}", file=sys.stderr)
    return 2


if __name__ == "__main__":
    sys.exit(answer(main, "python -m course_lib doctor"))
