"""From a folder of downloads to who handed in what: one notebook a learner, and a list of all that
was not taken. Called by ``grading.nbgrader.extractor``; writes nothing.

A person's newest attempt counts, of several copies in it the one that the course's last cell wrote.
Where it cannot be said which file is meant, none is taken and the line says so.
"""

import unicodedata
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from hashlib import sha256
from pathlib import Path

import yaml

from course_lib.chapters import Chapter
from grading.intake.archives import (
    FOREIGN,
    Member,
    ignored,
    inner_members,
    is_archive,
    loose_files,
    notebook_bytes,
    open_archive,
)
from grading.intake.platforms import (
    NUMBERED,
    PLATFORMS,
    Context,
    Owner,
    blackboard_receipt,
    blackboard_user,
    gradescope_submitters,
    owners,
)
from grading.intake.reading import Unreadable, printable

#: The chapter of a notebook's bytes, or None; raises ``Unreadable``.
Recognise = Callable[[bytes], str | None]
#: What platforms add for themselves.
_PLATFORMS_OWN = ("index.html", "submission_metadata.yml", "grades.csv", "timestamp.txt")
_SMALL = 10 * 2**20
#: Platforms whose names other platforms' files have by accident: never suggested.
_MISTAKABLE = ("any", "github classroom", "google classroom")
#: How sure it is that a file is the chapter's notebook.
_KNOWN, _NAMED, _BROKEN = 2, 1, 0


@dataclass(frozen=True)
class Found:
    """A notebook. ``name`` is the member's own path in ``archive``; ``file`` holds its bytes, of which
    ``digest`` is the hash; ``downloaded`` is when ``archive`` was, in nanoseconds; ``sure`` and ``place``
    say how well it fits. Of the one that counts, ``learner`` is the name of the folder, and ``note`` what
    an instructor may want to look at."""

    owner: Owner
    archive: str
    name: str
    downloaded: int
    file: Path
    digest: str
    sure: int
    place: int
    learner: str = ""
    note: str = ""

    @property
    def attempt(self) -> tuple[str, list[int], int]:
        """The greater, the newer."""
        time = "" if self.owner.time is None else self.owner.time.isoformat()
        return time, list(self.owner.order), self.downloaded

    @property
    def rank(self) -> tuple:
        """The greatest counts. A notebook that can be read goes before a newer one that cannot."""
        return self.sure, *self.attempt, self.place


@dataclass(frozen=True)
class Left:
    """A file that was not taken, and why."""

    path: str
    reason: str
    learner: str = ""


@dataclass
class Collection:
    """What the downloads hold: a notebook a learner, and what was left."""

    found: list[Found] = field(default_factory=list)
    left: list[Left] = field(default_factory=list)
    nobodys: list[str] = field(default_factory=list)

    def likelier(self) -> str | None:
        """The platform whose names the files without an owner have."""
        counts = {
            platform: sum(bool(owners(platform, path)) for path in self.nobodys)
            for platform in PLATFORMS
            if platform not in _MISTAKABLE
        }
        best = max(counts, key=lambda platform: counts[platform])
        return best if counts[best] else None


def collect(
    folder: Path,
    platform: str,
    chapter: Chapter,
    recognise: Recognise,
    spool: Path,
    known: Mapping[str, str] | None = None,
) -> Collection:
    """Everyone's notebook of ``chapter`` in the downloads below ``folder``, kept in ``spool``, an
    empty folder. ``known`` are the names of learners from earlier downloads by ``Owner.key``: they
    stay."""
    collecting = _Collecting(platform, chapter, recognise, spool)
    left = collecting.collection.left
    with ExitStack() as stack:
        for archive, downloaded, members in _downloads(folder, platform, left, stack):
            collecting.take(archive, downloaded, members)
    return collecting.result(known or {})


def _downloads(
    folder: Path, platform: str, left: list[Left], stack: ExitStack
) -> Iterator[tuple[str, int, list[Member]]]:
    """Each archive with its members; loose files, learners' own archives among them, as one more."""
    loose: list[Member] = []
    newest = 0
    for file in loose_files(folder):
        path = folder / file.path
        if ignored(file.path):
            continue
        if is_archive(file.path) and path.is_file() and not path.is_symlink():
            try:
                members = open_archive(path, stack)
            except Unreadable as error:
                if not owners(platform, file.path):
                    left.append(Left(file.path, f"not unpacked: {error}"))
                    continue
                members = []
            context = _context(members)
            theirs = any(owners(platform, member.path, context) for member in members)
            if theirs or not owners(platform, file.path):
                yield file.path, path.stat().st_mtime_ns, members
                continue
        loose.append(file)
        newest = max(newest, path.lstat().st_mtime_ns)
    if loose:
        yield "", newest, loose


def _context(members: Sequence[Member]) -> Context:
    submitters: dict[str, list[Owner]] = {}
    users: dict[str, str] = {}
    for member in members:
        if member.size > _SMALL or ignored(member.path):
            continue
        try:
            if member.path.rsplit("/", 1)[-1] == "submission_metadata.yml":
                submitters |= gradescope_submitters(_plain_yaml(member.read()))
            elif who := blackboard_receipt(member.path):
                user = blackboard_user(who, member.read().decode("utf-8", "replace"))
                if user:
                    users[who] = user
        except Unreadable:
            continue
    return Context(submitters, users)


def _plain_yaml(data: bytes) -> object:
    """YAML without references, with which a few lines unfold to gigabytes."""
    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    try:
        text = data.decode("utf-8", "replace")
        if any(isinstance(event, yaml.AliasEvent) for event in yaml.parse(text, Loader=loader)):
            return None
        return yaml.load(text, Loader=loader)
    except (yaml.YAMLError, ValueError, RecursionError, TypeError):
        return None


class _Collecting:
    def __init__(self, platform: str, chapter: Chapter, recognise: Recognise, spool: Path) -> None:
        self.platform, self.chapter, self.recognise = platform, chapter, recognise
        self.spool, self.collection = spool, Collection()
        self.candidates: dict[str, list[Found]] = {}

    def take(self, archive: str, downloaded: int, members: Sequence[Member]) -> None:
        context = _context(members)
        for member in members:
            if ignored(member.path):
                continue
            people = owners(self.platform, member.path, context)
            for owner in people:
                self._offer(owner, archive, downloaded, member)
            own = member.path.rsplit("/", 1)[-1].lower() in _PLATFORMS_OWN
            if not people and not own and blackboard_receipt(member.path) is None:
                self.collection.nobodys.append(member.path)
                self._leave(archive, member.path, "its name does not say whose it is")

    def _leave(self, archive: str, path: str, reason: str, owner: Owner | None = None) -> None:
        shown = f"{archive}: {path}" if archive else path
        left = Left(printable(shown)[:300], reason, owner.name if owner else "")
        self.collection.left.append(left)

    def _offer(self, owner: Owner, archive: str, downloaded: int, member: Member) -> None:
        if member.suffix in FOREIGN:
            kind = f"{member.suffix} archives cannot be opened here"
            self._leave(archive, member.path, f"not unpacked: {kind}; unpack it by hand", owner)
        elif is_archive(member.path):
            self._offer_inner(owner, archive, downloaded, member)
        else:
            self._consider(owner, archive, downloaded, member)

    def _offer_inner(self, owner: Owner, archive: str, downloaded: int, member: Member) -> None:
        with ExitStack() as stack:
            try:
                inside = inner_members(member, stack)
            except Unreadable as error:
                self._leave(archive, member.path, f"left packed: {error}", owner)
                return
            for one in inside:
                if ignored(one.path):
                    continue
                shown = Member(f"{member.path}/{one.path}", one.size, one.read)
                if is_archive(one.path) or one.suffix in FOREIGN:
                    self._leave(archive, shown.path, "left packed: an archive in an archive", owner)
                    continue
                theirs = replace(owner, rest=(*owner.rest, *one.path.split("/")))
                self._consider(theirs, archive, downloaded, shown, member.path)

    def _consider(
        self, owner: Owner, archive: str, downloaded: int, member: Member, name: str = ""
    ) -> None:
        """Is it the chapter's notebook? ``name`` is the platform's member where it is another one."""
        named = self.chapter.id in owner.rest[-1].lower()
        try:
            data = notebook_bytes(member)
        except Unreadable as error:
            self._leave(archive, member.path, str(error), owner)
            return
        if data is None:
            if not name:  # what else is in a learner's own archive is theirs
                self._leave(archive, member.path, "not a notebook", owner)
            return
        try:
            chapter = self.recognise(data)
            sure = _KNOWN if chapter == self.chapter.id else _NAMED
            reason = "no cell of this chapter was recognised in it"
            if chapter:
                reason = f"its cells are of {chapter}"
        except Unreadable as error:
            chapter, sure, reason = None, _BROKEN, str(error)
        if sure != _KNOWN and (chapter is not None or not named):
            self._leave(archive, member.path, reason, owner)
            return
        digest, place = sha256(data).hexdigest(), self._place(owner.rest)
        file, name = self.spool / digest, name or member.path
        candidate = Found(owner, archive, name, downloaded, file, digest, sure, place)
        rivals = self.candidates.setdefault(owner.key, [])
        if any(rival.rank > candidate.rank for rival in rivals):
            return
        rivals[:] = [rival for rival in rivals if rival.rank == candidate.rank]
        rivals.append(candidate)
        file.write_bytes(data)

    def _place(self, rest: Sequence[str]) -> int:
        """Of one attempt's files: what the course's last cell wrote, else by the file's name."""
        *folders, name = (part.lower() for part in rest)
        if "hand-in" in folders:
            return 3
        if name == f"{self.chapter.id}.ipynb":
            return 2
        return int(self.chapter.id in name)

    # --- who they are ---------------------------------------------------------------------------

    def result(self, known: Mapping[str, str]) -> Collection:
        collection = self.collection
        chosen: list[Found] = []
        for rivals in self.candidates.values():
            if len({rival.digest for rival in rivals}) > 1:
                names = ", ".join(sorted(printable(rival.name) for rival in rivals))
                reason = f"{len(rivals)} different notebooks could be meant"
                collection.left.append(Left(names, reason, rivals[0].owner.name))
            else:
                chosen.append(rivals[0])
        names = self._names([one.owner for one in chosen], known)
        for one in chosen:
            learner = names.get(one.owner.key)
            if learner is None:
                reason = f"several people are called {one.owner.name}, and it does not say which"
                self._leave(one.archive, one.name, reason, one.owner)
                continue
            note = "late, as the platform says" if one.owner.late else ""
            if one.sure == _NAMED:
                note = "no cell of the chapter was recognised in it"
            elif one.sure == _BROKEN:
                note = "it cannot be read; `grade` says why"
            collection.found.append(replace(one, learner=learner, note=note))
        collection.found.sort(key=lambda found: found.learner)
        return collection

    def _names(self, people: Sequence[Owner], known: Mapping[str, str]) -> dict[str, str]:
        """A folder's name for each key, no two alike even where upper and lower case are one."""
        names = {owner.key: known[owner.key] for owner in people if owner.key in known}
        taken = {_folded(name) for name in known.values()}
        unnamed = [owner for owner in people if owner.key not in names]
        wanted = [_folded(owner.name) for owner in unnamed]
        for owner in unnamed:
            numbered = f"{owner.name}_{owner.number}" if owner.number else ""
            alone = wanted.count(_folded(owner.name)) == 1 and _folded(owner.name) not in taken
            name = owner.name if alone and self.platform not in NUMBERED else numbered
            if name and _folded(name) not in taken:
                names[owner.key] = name
                taken.add(_folded(name))
        return names


def _folded(name: str) -> str:
    return unicodedata.normalize("NFC", name).casefold()
