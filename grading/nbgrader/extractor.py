"""What a learning platform hands over, for ``nbgrader zip_collect`` (see ``config``).

nbgrader matches one regular expression against each file's path: one duplicate ends the whole
collection, and each platform needs an expression of its own. Here the platform is named, and
``grading.intake`` knows its names. A course directory that sets its own expression
(``FileNameCollectorPlugin.named_regexp``) is collected by nbgrader as ever, from archives that are
unpacked one level deep, up to a size.
"""

import logging
import shutil
import tempfile
import zipfile
from pathlib import Path
from zoneinfo import ZoneInfo

from nbgrader.plugins import ExtractorPlugin
from nbgrader.utils import unzip
from traitlets import Enum, Unicode

from course_lib.chapters import find_chapter
from grading.intake.archives import INNER_BYTES, INNER_FILES
from grading.intake.collect import collect
from grading.intake.deliver import Record, deliver
from grading.intake.platforms import PLATFORMS
from grading.intake.recognise import Recogniser
from grading.intake.submissions import submissions


class BoundedExtractor(ExtractorPlugin):
    """nbgrader's extractor with a bound on a learner's own archive. What is over it stays packed,
    and a line says so."""

    def extract(self, archive_path: str, extracted_path: str) -> None:
        top = Path(archive_path)
        files = sorted(path for path in top.rglob("*") if path.is_file())
        if not files:
            self.log.warning(f"No files found in directory: {top}")
        for file in files:
            folder = Path(extracted_path) / file.parent.relative_to(top)
            folder.mkdir(parents=True, exist_ok=True)
            if file.suffix not in self.zip_ext:
                shutil.copy(file, folder)
                continue
            self.log.info(f"Extracting from: {file}")
            unzip(str(file), str(folder), zip_ext=self.zip_ext, create_own_folder=True)
            name = file.name.removesuffix(file.suffix).removesuffix(".tar")
            for inner in sorted((folder / name).rglob("*.zip")):
                self._unpack_inner(inner)

    def _unpack_inner(self, archive: Path) -> None:
        try:
            with zipfile.ZipFile(archive) as opened:
                parts = opened.infolist()
            size = sum(part.file_size for part in parts)  # no more than this is ever read
            if size > INNER_BYTES or len(parts) > INNER_FILES:
                what = f"{len(parts)} files of {size / 2**20:,.0f} MB together"
                self.log.warning(f"Left packed, it holds {what}: {archive}")
                return
            unzip(str(archive), str(archive.parent), create_own_folder=True)
        except Exception as error:  # what a stranger made may fail in any way, for this one alone
            self.log.warning(f"Left packed, it cannot be read ({error}): {archive}")


class PlatformExtractor(BoundedExtractor):
    """Collects by the platform's names, and leaves nothing for nbgrader to do."""

    platform = Enum(
        sorted(PLATFORMS), "any", help="The learning platform that the archives come from."
    ).tag(config=True)
    timezone = Unicode(
        "", help="Of the platform's times where it names no zone, like Europe/Berlin."
    ).tag(config=True)

    def extract(self, archive_path: str, extracted_path: str) -> None:
        app = self.parent
        if app.config.FileNameCollectorPlugin.get("named_regexp"):
            app.log_level = logging.INFO
            # Only the instructor's own --force may overwrite what was submitted.
            app.force = bool(app.cli_config.get("ZipCollectApp", {}).get("force"))
            super().extract(archive_path, extracted_path)
            return
        chapter = find_chapter(app.coursedir.assignment_id)
        folder = Path(archive_path)
        record = Record(folder.parent)
        coursedir = app.coursedir
        released = Path(coursedir.format_path(coursedir.release_directory, ".", chapter.id)).parent
        submitted = Path(
            coursedir.format_path(coursedir.submitted_directory, "someone", chapter.id)
        ).parents[1]
        submissions(submitted, chapter)  # folders copied from a Mac get the names used here
        zone = ZoneInfo(self.timezone) if self.timezone else None
        with tempfile.TemporaryDirectory(dir=folder.parent, prefix=".spool-") as spool:
            recognise = Recogniser(released).chapter
            known = record.names(self.platform)
            found = collect(folder, self.platform, chapter, recognise, Path(spool), known)
            delivered = deliver(found, self.platform, chapter, submitted, record, zone)
        people = len(found.found)
        print(f"{chapter.id} from {self.platform}: {people} learner{'' if people == 1 else 's'}")
        for line in delivered.lines():
            print(line)
        likelier = found.likelier()
        if likelier and likelier != self.platform:
            print(
                f"These names look like {likelier}'s. If they are, say so in nbgrader_config.py: "
                f'configure(..., platform="{likelier}")'
            )
