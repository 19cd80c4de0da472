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


#: From the parts of a member's path to its owners: several for a group's submission.
Reader = Callable[[Sequence[str], Context], Sequence[Owner]]


def owners(platform: str, path: str, context: Context | None = None) -> Sequence[Owner]:
    """Who handed in the member at ``path`` ("/" between folders), all with usable names."""
    parts = [part for part in path.split("/") if part not in ("", ".")]
    found = PLATFORMS[platform](parts, context or Context())
    named = [
        replace(owner, key=unicodedata.normalize("NFC", owner.key), name=folder_name(owner.name))
        for owner in found
    ]
    return [owner for owner in named if owner.name]


def folder_name(text: str) -> str:
    """A name as it can stand for a folder, and be the same person however it was typed: composed
    (NFC), no separators, no control characters, no leading dots."""
    text = unicodedata.normalize("NFC", text)
    text = "".join(" " if _unprintable(char) else char for char in text)
    text = re.sub(r"[/\\:*?\"<>|{}\s]+", " ", text).strip(" .")
    while len(text.encode(errors="replace")) > _LONGEST:
        text = text[:-1]
    return text.strip(" .")


def _unprintable(char: str) -> bool:
    return unicodedata.category(char) in ("Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp")


# --- one function a platform ---------------------------------------------------------------------


_CANVAS = re.compile(
    r"(?P<name>.+?)_(?:(?P<late>late)_)?(?P<id>\d+)_(?P<file>\d+)_(?P<rest>.+)", re.I
)
_CANVAS_ANONYMOUS = re.compile(
    r"anon_(?:(?P<late>late)_)?(?P<id>\w{5})_(?P<file>\d+)_(?P<rest>.+)", re.I
)


def _canvas(parts: Sequence[str], context: Context) -> Sequence[Owner]:
    """``name_[LATE_]user_attachment_file``: attachments are numbered in the order of upload."""
    for place, part in enumerate(parts):
        if match := _CANVAS_ANONYMOUS.fullmatch(part):
            name, key = "anon", match["id"]
        elif match := _CANVAS.fullmatch(part):
            name, key = match["name"], match["id"]
        else:
            continue
        rest = (match["rest"], *parts[place + 1 :])
        late = match["late"] is not None
        return [Owner(key, name, key, rest, late=late, order=(int(match["file"]),))]
    return []


_MOODLE = re.compile(r"(?P<name>.+?)_(?P<id>\d+)_assignsubmission_[a-z]+(?:_(?P<rest>.*))?")


def _moodle(parts: Sequence[str], context: Context) -> Sequence[Owner]:
    """``Full Name_participant_assignsubmission_file`` as a folder or before the file's name; with
    blind marking the name is "Participant"."""
    for place, part in enumerate(parts):
        if match := _MOODLE.fullmatch(part):
            below = (match["rest"],) if match["rest"] else ()
            rest = (*below, *parts[place + 1 :])
            return [Owner(match["id"], match["name"], match["id"], rest)] if rest else []
    return []


_BLACKBOARD = re.compile(
    r"(?P<who>.+?)_attempt_(?P<time>\d{4}(?:-\d\d){5})(?:_(?P<rest>.+)|(?P<receipt>\.txt))", re.I
)


def _blackboard(parts: Sequence[str], context: Context) -> Sequence[Owner]:
    """``Assignment_user_attempt_time_file``. The receipt beside it names the user for certain; without
    one the assignment's title is taken to hold no underscore."""
    for place, part in enumerate(parts):
        match = _BLACKBOARD.fullmatch(part)
        if match is None or match["receipt"]:
            continue
        user = context.users.get(match["who"]) or match["who"].partition("_")[2]
        time = _digits_time(match["time"])
        if not user or time is None:
            return []
        return [Owner(user, user, rest=(match["rest"], *parts[place + 1 :]), time=time)]
    return []


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


def _brightspace(parts: Sequence[str], context: Context) -> Sequence[Owner]:
    """``12345-67890 - Name - Oct 12, 2026 1014 AM`` as a folder or before the file's name."""
    for place, part in enumerate(parts):
        if match := _BRIGHTSPACE.fullmatch(part):
            below = (match["rest"],) if match["rest"] else ()
            rest, time = (*below, *parts[place + 1 :]), _american_time(match["time"])
            owner = Owner(match["id"], match["name"], match["id"], rest, time)
            return [owner] if rest else []
    return []


_SAKAI = re.compile(r"(?P<name>.+)\((?P<id>[^()]+)\)")


def _sakai(parts: Sequence[str], context: Context) -> Sequence[Owner]:
    """``Assignment/Last, First(user)/Submission attachment(s)/file``."""
    for place, part in enumerate(parts[:-2]):
        match = _SAKAI.fullmatch(part)
        if match and parts[place + 1].lower().startswith("submission attachment"):
            return [Owner(match["id"], match["id"], rest=tuple(parts[place + 2 :]))]
    return []


_ILIAS = re.compile(r"(?P<name>.+)_(?P<login>[^_]+)_(?P<id>\d+)")
_ILIAS_FILE = re.compile(r"(?P<time>\d{14})_(?P<rest>.+)")


def _ilias(parts: Sequence[str], context: Context) -> Sequence[Owner]:
    """``Last_First_login_id/20261012131415_file``."""
    for place, part in enumerate(parts[:-1]):
        folder, file = _ILIAS.fullmatch(part), _ILIAS_FILE.fullmatch(parts[place + 1])
        if folder and file:
            rest = (file["rest"], *parts[place + 2 :])
            time = _digits_time(file["time"])
            return [Owner(folder["id"], folder["login"], folder["id"], rest, time)]
    return []


_GRADESCOPE = re.compile(r"submission_\d+")


def _gradescope(parts: Sequence[str], context: Context) -> Sequence[Owner]:
    """``submission_555/file``; ``submission_metadata.yml`` says whose it is, or which group's."""
    for place, part in enumerate(parts[:-1]):
        if _GRADESCOPE.fullmatch(part):
            rest = tuple(parts[place + 1 :])
            order = (int(part.rpartition("_")[2]),)
            people = context.submitters.get(part, ())
            return [replace(owner, rest=rest, order=order) for owner in people]
    return []


def _google(parts: Sequence[str], context: Context) -> Sequence[Owner]:
    """``Name - file``, or ``chapter - Name`` for the copies that Classroom makes itself."""
    for place, part in enumerate(parts):
        before, separator, after = part.partition(" - ")
        if not separator:
            continue
        below = parts[place + 1 :]
        name = before.strip()
        if re.search(_CHAPTER, before):
            name = after.strip() if below else re.sub(r"( \(\d+\))?(\.\w+)+$", "", after).strip()
        return [Owner(name, name, rest=(part if name != before.strip() else after, *below))]
    return []


_GITHUB_SLUG = re.compile(
    rf"(?:{_CHAPTER.replace('_', '[-_]')}"
    r"|(?:chapter|assignment|exercise|homework|lab|unit|week|hw|ch)-?\d+b?)-(?P<login>.+)",
    re.I,
)


def _github(parts: Sequence[str], context: Context) -> Sequence[Owner]:
    """``assignment-login/file``, below ``assignment-submissions/`` where `gh classroom` cloned them.
    An assignment of an unknown name stays part of the learner's: where a login begins is unknown."""
    for place, part in enumerate(parts[:-1]):
        rest = tuple(parts[place + 1 :])
        slug, submissions, _ = part.rpartition("-submissions")
        if submissions and len(rest) > 1 and rest[0].startswith(f"{slug}-"):
            login = rest[0].removeprefix(f"{slug}-")
            return [Owner(login.lower(), login, rest=rest[1:])]
        if match := _GITHUB_SLUG.fullmatch(part):
            return [Owner(match["login"].lower(), match["login"], rest=rest)]
        if "-" in part and len(parts) > 1:
            return [Owner(part.lower(), part, rest=rest)]
    return []


_NUMBERED = re.compile(
    rf"(?P<name>.+?)_(?:(?P<late>late)_)?(?!(?:{_CHAPTER}))(?P<id>\d+)_(?P<rest>.+)", re.I
)
_NAMED = re.compile(rf"(?P<name>.+?)_(?:(?P<late>late)_)?(?P<rest>(?:{_CHAPTER}).*)", re.I)


def _any(parts: Sequence[str], context: Context) -> Sequence[Owner]:
    """Without a named platform: the learner, perhaps numbers, and the file's own name."""
    for place, part in enumerate(parts):
        match = _NUMBERED.fullmatch(part)
        if match is None or re.match(_CHAPTER, part):
            match = _NAMED.fullmatch(part)
        if match is None:
            continue
        number = match.groupdict().get("id") or ""
        attempt = re.match(r"(\d+)_", match["rest"]) if number else None
        key = f"{unicodedata.normalize('NFC', match['name'])}\n{number}"
        rest = (match["rest"], *parts[place + 1 :])
        order = (int(attempt[1]),) if attempt else ()
        return [Owner(key, match["name"], number, rest, late=bool(match["late"]), order=order)]
    return []


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
    digits = text.replace("-", "")
    try:
        return datetime.strptime(digits, "%Y%m%d%H%M%S")
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
