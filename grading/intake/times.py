"""When was it handed in? The one reader of ``timestamp.txt``; called by ``grade``.

nbgrader's own reader guesses: it takes a time zone that it does not know for UTC, "+0200" for 200
seconds, and 12.10. for the tenth of December. A late penalty follows from it, so here a time is either
certain or unknown, with the reason.
"""

import re
from datetime import UTC, datetime, timedelta, timezone
from zoneinfo import ZoneInfo

from grading.intake.reading import printable, text_of

_TIME = re.compile(
    r"(?P<date>\d{4}-\d\d-\d\d)[ T](?P<clock>\d\d:\d\d(?::\d\d)?)(?:[.,](?P<part>\d{1,9}))?"
    r" ?(?P<zone>\S*)"
)
_OFFSET = re.compile(r"(?P<sign>[+-])(?P<hours>\d\d):?(?P<minutes>\d\d)?")
_UTC = ("", "Z", "UTC", "GMT")
#: Longest file that can be a time.
MOST = 400


class UnknownTime(Exception):
    """The text says why in words that fit into brackets."""


def read_time(data: bytes, zone: ZoneInfo | None = None) -> datetime:
    """The time in a ``timestamp.txt``, in UTC. Without a zone it is UTC, as nbgrader writes it.
    ``zone`` is the course's own: its abbreviations ("CEST") are known then. Raises ``UnknownTime``.
    """
    text = text_of(data)
    if text is None:
        raise UnknownTime("timestamp.txt is not text")
    text = text.strip().strip("\0").strip()
    if not text:
        raise UnknownTime("timestamp.txt is empty")
    if len(text.splitlines()) > 1:
        raise UnknownTime("timestamp.txt has more than one line")
    shown = repr(printable(text[:40]))
    match = _TIME.fullmatch(text)
    if match is None:
        raise UnknownTime(f"{shown} is not written like 2026-10-12 21:58:00 UTC")
    try:
        time = datetime.fromisoformat(f"{match['date']}T{match['clock']}")
    except ValueError:
        raise UnknownTime(f"{shown} is not a date and time that exists") from None
    if match["part"]:
        time = time.replace(microsecond=int(match["part"][:6].ljust(6, "0")))
    return _in_utc(time, match["zone"], zone, shown)


def utc_text(time: datetime) -> str:
    """As nbgrader's ``submit`` writes it; every reader of it agrees."""
    return time.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S.%f UTC")


def _in_utc(time: datetime, name: str, course: ZoneInfo | None, shown: str) -> datetime:
    if name in _UTC:
        return time.replace(tzinfo=UTC)
    if match := _OFFSET.fullmatch(name):
        offset = timedelta(hours=int(match["hours"]), minutes=int(match["minutes"] or 0))
        if offset > timedelta(hours=14) or int(match["minutes"] or 0) > 59:
            raise UnknownTime(f"{shown} names a time zone that does not exist")
        return _shifted(time, offset if match["sign"] == "+" else -offset, shown)
    zone = zone_called(name) if "/" in name else None
    possible = _named(time, name, course) if zone is None else _offsets(time, zone)
    if len(possible) != 1:
        raise UnknownTime(
            f"{shown} was shown twice or never by the clocks there"
            if zone
            else f"{shown} names a time zone that is not known"
        )
    return _shifted(time, possible.pop(), shown)


def _named(time: datetime, name: str, zone: ZoneInfo | None) -> set[timedelta]:
    """Abbreviations mean several zones ("IST" is three): only the course's own are known."""
    if zone is None:
        return set()
    found = set()
    for fold in (0, 1):
        there = time.replace(tzinfo=zone, fold=fold)
        if there.tzname() == name and there.astimezone(UTC).astimezone(zone).tzname() == name:
            found.add(there.utcoffset())
    return found


def _offsets(time: datetime, zone: ZoneInfo) -> set[timedelta]:
    return {time.replace(tzinfo=zone, fold=fold).utcoffset() for fold in (0, 1)}


def zone_called(name: str) -> ZoneInfo | None:
    """The time zone of this name, like Europe/Berlin; None when there is none."""
    try:
        return ZoneInfo(name)
    except (ValueError, OSError, LookupError):
        return None


def _shifted(time: datetime, offset: timedelta, shown: str) -> datetime:
    try:
        return time.replace(tzinfo=timezone(offset)).astimezone(UTC)
    except OverflowError:
        raise UnknownTime(f"{shown} is not a date and time that exists") from None
