"""The files of what an instructor downloaded: archives and loose files, read with bounds.

Called by ``grading.intake.collect``. The platform made the outer archive, strangers the files in it:
no member is ever written under its own name, links are not followed, one bad member is one line, and
nothing larger than a notebook may be is read.
"""

import io
import lzma
import os
import stat
import tarfile
import zipfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from grading.intake.reading import MAX_BYTES, Unreadable, printable

#: A learner's own archive: its size, and what it may hold together.
INNER_BYTES = 100 * 2**20
INNER_FILES = 1_000
_OUTER_FILES = 50_000
#: A compressed tar archive has no table of contents: to list it is to unpack it.
_OUTER_BYTES = 20 * INNER_BYTES
_TARS = (".tar", ".tar.gz", ".tgz", ".tar.bz2", ".tar.xz")
#: Archives for which Python has no reader.
FOREIGN = (".rar", ".7z", ".arc", ".ace", ".zst", ".lzh")
_NOBODY_MEANT = (".ds_store", "thumbs.db", "desktop.ini")
_BROKEN = (
    zipfile.BadZipFile,
    tarfile.TarError,
    zlib.error,
    lzma.LZMAError,
    EOFError,
    OSError,
    RuntimeError,  # encrypted
    NotImplementedError,  # a kind of compression that Python does not know
    ValueError,
    OverflowError,
)


@dataclass(frozen=True)
class Member:
    """A file in a download. ``path`` has "/" between folders; ``read`` gives its bytes or raises
    ``Unreadable``; ``size`` is what it claims to unpack to."""

    path: str
    size: int
    read: Callable[[], bytes]

    @property
    def suffix(self) -> str:
        return PurePosixPath(self.path.lower()).suffix


def is_archive(path: str) -> bool:
    """Can this be unpacked here?"""
    return path.lower().endswith((".zip", *_TARS))


def ignored(path: str) -> bool:
    """Files that systems and editors leave behind, and that were not handed in on purpose."""
    parts = path.split("/")
    return (
        "__MACOSX" in parts
        or ".ipynb_checkpoints" in parts
        or parts[-1].startswith("._")
        or parts[-1].lower() in _NOBODY_MEANT
    )


def loose_files(folder: Path) -> Iterator[Member]:
    """Every file below ``folder`` by its path in it; links are members that cannot be read."""
    for top, folders, names in os.walk(folder):
        folders.sort()
        for name in sorted(names):
            path = Path(top) / name
            inside = path.relative_to(folder).as_posix()
            yield Member(_text(inside), path.lstat().st_size, lambda path=path: _file_bytes(path))


def open_archive(file: Path, stack: ExitStack) -> list[Member]:
    """The members of a downloaded archive, open as long as ``stack`` is. Raises ``Unreadable``."""
    return _members(file, str(file), stack, _OUTER_FILES, _OUTER_BYTES)


def inner_members(member: Member, stack: ExitStack) -> list[Member]:
    """The members of an archive that a learner made. Raises ``Unreadable``, also when it holds more
    than it may."""
    source = io.BytesIO(member.read())
    return _members(source, member.path, stack, INNER_FILES, INNER_BYTES)


def _members(
    source: Path | io.BytesIO, name: str, stack: ExitStack, most: int, most_bytes: int
) -> list[Member]:
    try:
        if name.lower().endswith(_TARS):
            file = stack.enter_context(source.open("rb")) if isinstance(source, Path) else source
            archive = stack.enter_context(tarfile.TarFile.open(fileobj=file))
            members = list(_tar_members(archive, most, most_bytes))
        else:
            packed = stack.enter_context(zipfile.ZipFile(source))
            members = [_zip_member(packed, info) for info in packed.infolist()]
    except _BROKEN as error:
        raise Unreadable(f"it cannot be unpacked ({_reason(error)})") from None
    size = sum(member.size for member in members)
    if len(members) > most or (size > most_bytes and not isinstance(source, Path)):
        what = f"{len(members):,} files of {size / 2**20:,.0f} MB together"
        raise Unreadable(f"it holds {what}; at most {most:,} of {most_bytes // 2**20} MB are read")
    return [member for member in members if not member.path.endswith("/")]


def _zip_member(archive: zipfile.ZipFile, info: zipfile.ZipInfo) -> Member:
    mode = info.external_attr >> 16
    path = _zip_name(info)

    def read() -> bytes:
        if stat.S_ISLNK(mode):
            raise Unreadable("a link, and links are not followed")
        if info.flag_bits & 1:
            raise Unreadable("it is encrypted")
        return _bounded(lambda: archive.open(info), info.file_size)

    return Member(path, info.file_size, read)


def _tar_members(archive: tarfile.TarFile, most: int, most_bytes: int) -> Iterator[Member]:
    size = 0
    for count, info in enumerate(archive):  # each step unpacks one member
        size += info.size
        if count == most or size > most_bytes:
            raise Unreadable(f"it holds more than {most:,} files or {most_bytes // 2**20} MB")
        if not info.isdir():
            yield Member(_text(info.name.replace("\\", "/")), info.size, _tar_reader(archive, info))


def _tar_reader(archive: tarfile.TarFile, info: tarfile.TarInfo) -> Callable[[], bytes]:
    def read() -> bytes:
        if not info.isreg():
            raise Unreadable("a link or a device, not a file")
        return _bounded(lambda: archive.extractfile(info), info.size)

    return read


def _bounded(opened: Callable[[], io.IOBase], size: int) -> bytes:
    if size > INNER_BYTES:
        raise Unreadable(f"it has {size / 2**20:,.0f} MB")
    try:
        return _content(opened())
    except _BROKEN as error:
        raise Unreadable(f"it cannot be unpacked ({_reason(error)})") from None


def _file_bytes(path: Path) -> bytes:
    try:
        if not stat.S_ISREG(path.lstat().st_mode):
            raise Unreadable("a link or a device, not a file")
        return _content(path.open("rb"))
    except OSError as error:
        raise Unreadable(f"it cannot be read ({error.strerror})") from None


def _content(opened: io.IOBase) -> bytes:
    with opened as file:
        data = file.read(INNER_BYTES + 1)  # whatever its header claims
    if len(data) > INNER_BYTES:
        raise Unreadable(f"it has more than {INNER_BYTES // 2**20} MB")
    return data


def _zip_name(info: zipfile.ZipInfo) -> str:
    """Moodle, macOS and Windows write UTF-8 without saying so, or backslashes between folders."""
    name = info.orig_filename
    if not info.flag_bits & 0x800:
        try:
            name = name.encode("cp437").decode("utf-8")
        except UnicodeError:
            name = info.orig_filename  # as the format defines it: code page 437
    return _text(name.partition("\0")[0].replace("\\", "/"))


def _text(name: str) -> str:
    """Bytes that are not text, as file systems and tar archives pass them on, as replacements."""
    return name.encode("utf-8", "surrogateescape").decode("utf-8", "replace")


def _reason(error: BaseException) -> str:
    return printable(" ".join(str(error).split()))[:120] or type(error).__name__


def notebook_bytes(member: Member) -> bytes | None:
    """The member's bytes if it can be a notebook, whatever it is called; else None."""
    if not (".ipynb" in member.path.lower() or member.suffix in (".json", ".txt", "")):
        return None
    if member.size > MAX_BYTES:
        raise Unreadable(
            f"it has {member.size / 2**20:,.0f} MB; at most {MAX_BYTES // 2**20} are read"
        )
    data = member.read()
    start = data[:64].lstrip(b"\xef\xbb\xbf\xff\xfe\x00 \t\r\n")
    return data if start.startswith(b"{") or ".ipynb" in member.path.lower() else None
