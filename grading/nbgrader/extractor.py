"""Unpacks what a learning platform hands over, for ``nbgrader zip_collect`` (see ``config``).

nbgrader unpacks archives inside archives, however deep and to whatever size; the inner ones come from
learners. Here one level of them is, up to a size.
"""

import shutil
import zipfile
from pathlib import Path

from nbgrader.plugins import ExtractorPlugin
from nbgrader.utils import unzip

_INNER_BYTES = 100 * 2**20
_INNER_FILES = 1_000


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
            if size > _INNER_BYTES or len(parts) > _INNER_FILES:
                what = f"{len(parts)} files of {size / 2**20:,.0f} MB together"
                self.log.warning(f"Left packed, it holds {what}: {archive}")
                return
            unzip(str(archive), str(archive.parent), create_own_folder=True)
        except Exception as error:  # what a stranger made may fail in any way, for this one alone
            self.log.warning(f"Left packed, it cannot be read ({error}): {archive}")
