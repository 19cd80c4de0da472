"""Whose file is this? The names under which learning platforms pack what people handed in.

Called by ``grading.intake.collect``. Pure: a member's path goes in, its owner comes out, or None for
a file without an owner. Nothing is guessed: what tells two people apart is the platform's own
id wherever the platform writes one.
"""

import re
import unicodedata
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime

from course_lib.chapters import CHAPTERS

_CHAPTER = "|".join(chapter.id for chapter in CHAPTERS)
#: Longest name of a learner's folder, in bytes; file systems take 255.
_LONGEST = 150
_UNPRINTABLE = ("Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp")


@dataclass(frozen=True)
class Owner:
    """Who handed in a file. ``key`` tells people apart; ``name`` is what they are called, and
    ``number`` the platform's number for them where the name alone does not suffice. ``rest`` is the
    path below the platform's own part: what the learner named. ``time`` is when, as the platform
    says, with a time zone only where it says one; ``order`` sorts one person's attempts."""

    key: str
    name: str
    number: str = ""
    rest: tuple[str, ...] = ()
    time: datetime | None = None
    late: bool = False
    order: tuple[int, ...] = ()


@dataclass(frozen=True)
class Context:
    """What an archive says besides the members' names: Gradescope's submitters and Blackboard's user
    names, by the folder or file to which they belong."""

    submitters: Mapping[str, Sequence[Owner]] = field(default_factory=dict)
    users: Mapping[str, str] = field(default_factory=dict)


#: From a part of a member's path, and the parts below it, to the owners that it names, several for a
#: group's submission; None when it is not such a part, and the next one may be.
Reader = Callable[[str, Sequence[str], Context], Sequence[Owner] | None]


def owners(platform: str, path: str, context: Context | None = None) -> Sequence[Owner]:
    """Who handed in the member at ``path`` ("/" between folders), all with usable names."""
    parts = [part for part in path.split("/") if part not in ("", ".")]
    read = (
        PLATFORMS[platform](part, parts[place:], context or Context())
        for place, part in enumerate(parts, 1)
    )
    named = [
        replace(owner, key=unicodedata.normalize("NFC", owner.key), name=folder_name(owner.name))
        for owner in next((found for found in read if found is not None), ())
    ]
    return [owner for owner in named if owner.name]


def folder_name(text: str) -> str:
    """A name as it can stand for a folder, and be the same person however it was typed: composed
    (NFC), no separators, no control characters, no leading dots."""
    text = unicodedata.normalize("NFC", text)
    text = "".join(" " if unicodedata.category(c) in _UNPRINTABLE else c for c in text)
    text = re.sub(r"[/\\:*?\"<>|{}\s]+", " ", text).strip(" .")
    while len(text.encode(errors="replace")) > _LONGEST:
        text = text[:-1]
    return text.strip(" .")


# --- one function a platform ---------------------------------------------------------------------


_CANVAS = re.compile(
    r"(?P<name>.+?)_(?:(?P<late>late)_)?(?P<id>\d+)_(?P<file>\d+)_(?P<rest>.+)", re.I
)
_CANVAS_ANONYMOUS = re.compile(
    r"anon_(?:(?P<late>late)_)?(?P<id>\w{5})_(?P<file>\d+)_(?P<rest>.+)", re.I
)


def _canvas(part: str, below: Sequence[str], context: Context) -> Sequence[Owner] | None:
    """``name_[LATE_]user_attachment_file``: attachments are numbered in the order of upload."""
    anonymous = _CANVAS_ANONYMOUS.fullmatch(part)
    match = anonymous or _CANVAS.fullmatch(part)
    if match is None:
        return None
    name, key, late = "anon" if anonymous else match["name"], match["id"], bool(match["late"])
    rest = (match["rest"], *below)
    return [Owner(key, name, key, rest, late=late, order=(int(match["file"]),))]


_MOODLE = re.compile(r"(?P<name>.+?)_(?P<id>\d+)_assignsubmission_[a-z]+(?:_(?P<rest>.*))?")


def _moodle(part: str, below: Sequence[str], context: Context) -> Sequence[Owner] | None:
    """``Full Name_participant_assignsubmission_file`` as a folder or before the file's name; with
    blind marking the name is "Participant"."""
    match = _MOODLE.fullmatch(part)
    if match is None:
        return None
    rest = (match["rest"], *below) if match["rest"] else tuple(below)
    return [Owner(match["id"], match["name"], match["id"], rest)] if rest else []


_BLACKBOARD = re.compile(
    r"(?P<who>.+?)_attempt_(?P<time>\d{4}(?:-\d\d){5})(?:_(?P<rest>.+)|(?P<receipt>\.txt))", re.I
)


def _blackboard(part: str, below: Sequence[str], context: Context) -> Sequence[Owner] | None:
    """``Assignment_user_attempt_time_file``. The receipt beside it names the user for certain; without
    one the assignment's title is taken to hold no underscore."""
    match = _BLACKBOARD.fullmatch(part)
    if match is None or match["receipt"]:
        return None
    user = context.users.get(match["who"]) or match["who"].partition("_")[2]
    time = _digits_time(match["time"])
    if not user or time is None:
        return []
    return [Owner(user, user, rest=(match["rest"], *below), time=time)]


def blackboard_receipt(path: str) -> str | None:
    """The part of a receipt's name that its submission's files share; None for other files."""
    match = _BLACKBOARD.fullmatch(path.rsplit("/", 1)[-1])
    return match["who"] if match and match["receipt"] else None


def blackboard_user(who: str, receipt: str) -> str | None:
    """The user name that a receipt gives ("Name: Alpha One (aone)"), if the file's name has it too."""
    match = re.match(r"\ufeff?Name:[^\n]*\((?P<user>[^()\n]+)\)\s*$", receipt, re.M)
    return match["user"] if match and who.endswith(f"_{match['user']}") else None


_BRIGHTSPACE = re.compile(
    r"(?P<id>\d+-\d+) ?- (?P<name>.+?) ?- (?P<time>[A-Z][a-z]{2} \d{1,2}, \d{4} \d{3,4} [AP]M)"
    r"(?: ?- (?P<rest>.+))?"
)


def _brightspace(part: str, below: Sequence[str], context: Context) -> Sequence[Owner] | None:
    """``12345-67890 - Name - Oct 12, 2026 1014 AM`` as a folder or before the file's name."""
    match = _BRIGHTSPACE.fullmatch(part)
    if match is None:
        return None
    rest = (match["rest"], *below) if match["rest"] else tuple(below)
    time = _american_time(match["time"])
    return [Owner(match["id"], match["name"], match["id"], rest, time)] if rest else []


_SAKAI = re.compile(r"(?P<name>.+)\((?P<id>[^()]+)\)")


def _sakai(part: str, below: Sequence[str], context: Context) -> Sequence[Owner] | None:
    """``Assignment/Last, First(user)/Submission attachment(s)/file``."""
    match = _SAKAI.fullmatch(part)
    if match and below[1:] and below[0].lower().startswith("submission attachment"):
        return [Owner(match["id"], match["id"], rest=tuple(below[1:]))]
    return None


_ILIAS = re.compile(r"(?P<name>.+)_(?P<login>[^_]+)_(?P<id>\d+)")
_ILIAS_FILE = re.compile(r"(?P<time>\d{14})_(?P<rest>.+)")


def _ilias(part: str, below: Sequence[str], context: Context) -> Sequence[Owner] | None:
    """``Last_First_login_id/20261012131415_file``."""
    folder, file = _ILIAS.fullmatch(part), below and _ILIAS_FILE.fullmatch(below[0])
    if not folder or not file:
        return None
    rest, time = (file["rest"], *below[1:]), _digits_time(file["time"])
    return [Owner(folder["id"], folder["login"], folder["id"], rest, time)]


_GRADESCOPE = re.compile(r"submission_\d+")


def _gradescope(part: str, below: Sequence[str], context: Context) -> Sequence[Owner] | None:
    """``submission_555/file``; ``submission_metadata.yml`` says whose it is, or which group's."""
    if not below or not _GRADESCOPE.fullmatch(part):
        return None
    rest, order = tuple(below), (int(part.rpartition("_")[2]),)
    return [replace(one, rest=rest, order=order) for one in context.submitters.get(part, ())]


def _google(part: str, below: Sequence[str], context: Context) -> Sequence[Owner] | None:
    """``Name - file``, or ``chapter - Name`` for the copies that Classroom makes itself."""
    before, separator, after = part.partition(" - ")
    if not separator:
        return None
    name = before.strip()
    if re.search(_CHAPTER, before):
        name = after.strip() if below else re.sub(r"( \(\d+\))?(\.\w+)+$", "", after).strip()
    return [Owner(name, name, rest=(part if name != before.strip() else after, *below))]


_GITHUB_SLUG = re.compile(
    rf"(?:{_CHAPTER.replace('_', '[-_]')}"
    r"|(?:chapter|assignment|exercise|homework|lab|unit|week|hw|ch)-?\d+b?)-(?P<login>.+)",
    re.I,
)


def _github(part: str, below: Sequence[str], context: Context) -> Sequence[Owner] | None:
    """``assignment-login/file``, below ``assignment-submissions/`` where `gh classroom` cloned them.
    An assignment of an unknown name stays part of the learner's: where a login begins is unknown."""
    if not below or "-" not in part:
        return None
    login, rest = part, tuple(below)
    slug, submissions, _ = part.rpartition("-submissions")
    if submissions and len(rest) > 1 and rest[0].startswith(f"{slug}-"):
        login, rest = rest[0].removeprefix(f"{slug}-"), rest[1:]
    elif match := _GITHUB_SLUG.fullmatch(part):
        login = match["login"]
    return [Owner(login.lower(), login, rest=rest)]


_NUMBERED = re.compile(
    rf"(?P<name>.+?)_(?:(?P<late>late)_)?(?!(?:{_CHAPTER}))(?P<id>\d+)_(?P<rest>.+)", re.I
)
_NAMED = re.compile(rf"(?P<name>.+?)_(?:(?P<late>late)_)?(?P<rest>(?:{_CHAPTER}).*)", re.I)


def _any(part: str, below: Sequence[str], context: Context) -> Sequence[Owner] | None:
    """Without a named platform: the learner, perhaps numbers, and the file's own name."""
    match = _NUMBERED.fullmatch(part)
    if match is None or re.match(_CHAPTER, part):
        match = _NAMED.fullmatch(part)
    if match is None:
        return None
    number = match.groupdict().get("id") or ""
    attempt = re.match(r"(\d+)_", match["rest"]) if number else None
    key = f"{unicodedata.normalize('NFC', match['name'])}\n{number}"
    order = (int(attempt[1]),) if attempt else ()
    rest = (match["rest"], *below)
    return [Owner(key, match["name"], number, rest, late=bool(match["late"]), order=order)]


PLATFORMS: Mapping[str, Reader] = {
    "any": _any,
    "blackboard": _blackboard,
    "brightspace": _brightspace,
    "canvas": _canvas,
    "github classroom": _github,
    "google classroom": _google,
    "gradescope": _gradescope,
    "ilias": _ilias,
    "moodle": _moodle,
    "sakai": _sakai,
}
#: Where the number belongs to the learner's name, always: names are not unique there.
NUMBERED = ("brightspace", "canvas", "moodle")


# --- times -------------------------------------------------------------------------------------------


_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")


def _digits_time(text: str) -> datetime | None:
    """``20261012131415`` and ``2026-10-12-13-14-15``."""
    try:
        return datetime.strptime(text.replace("-", ""), "%Y%m%d%H%M%S")
    except ValueError:
        return None


def _american_time(text: str) -> datetime | None:
    """``Oct 12, 2026 1014 AM``, whatever this machine's language."""
    month, day, year, clock, half = text.replace(",", "").split()
    hour, minute = divmod(int(clock), 100)
    if not 1 <= hour <= 12:
        return None
    try:
        return datetime(
            int(year), _MONTHS.index(month) + 1, int(day), hour % 12 + 12 * (half == "PM"), minute
        )
    except ValueError:
        return None


_RUBY_TIME = re.compile(r"(\d{4}-\d\d-\d\d)[ T](\d\d:\d\d:\d\d)(?:\.\d+)? ?(Z|UTC|[+-]\d\d:?\d\d)")


def gradescope_submitters(metadata: object) -> dict[str, list[Owner]]:
    """The people of each submission, from what ``submission_metadata.yml`` holds. Who has neither an
    e-mail address nor an id is left out."""
    found: dict[str, list[Owner]] = {}
    if not isinstance(metadata, dict):
        return found
    for folder, record in metadata.items():
        if not (isinstance(folder, str) and isinstance(record, dict)):
            continue
        people = _of(record, "submitters")
        time = _ruby_time(_of(record, "created_at"))
        for person in people if isinstance(people, list) else []:
            if isinstance(person, dict):
                name = _of(person, "email") or _of(person, "sid")
                if isinstance(name, str | int) and str(name).strip():
                    owner = Owner(str(name).strip().lower(), str(name).strip(), time=time)
                    found.setdefault(folder, []).append(owner)
    return found


def _of(record: Mapping[object, object], name: str) -> object:
    """Gradescope writes Ruby's symbols (``:email:``) as keys."""
    return record.get(f":{name}", record.get(name))


def _ruby_time(value: object) -> datetime | None:
    if isinstance(value, datetime):
        value = value.replace(microsecond=0)
        return value if value.tzinfo is None else value.astimezone(UTC)
    match = _RUBY_TIME.fullmatch(str(value).strip()) if isinstance(value, str) else None
    if match is None:
        return None
    zone = "+00:00" if match[3] in ("Z", "UTC") else match[3]
    return datetime.fromisoformat(f"{match[1]}T{match[2]}{zone}").astimezone(UTC)
