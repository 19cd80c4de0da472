"""Times of submission: certain, or unknown with the reason, and nbgrader reads what we read."""

from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest
from nbgrader.utils import parse_utc

from grading.intake.reading import Unreadable
from grading.intake.submissions import ORIGINAL_TIME, TIME, HandedIn
from grading.intake.times import UnknownTime, read_time, utc_text
from grading.nbgrader.timestamps import agree

BERLIN = ZoneInfo("Europe/Berlin")
IN_TIME = datetime(2026, 10, 12, 21, 58, tzinfo=UTC)


@pytest.mark.parametrize(
    "text",
    [
        "2026-10-12 21:58:00 UTC",
        "2026-10-12 21:58:00.000000 UTC\n",
        "2026-10-12 21:58",
        "2026-10-12T21:58:00Z",
        "2026-10-12T21:58:00+00:00",
        "2026-10-12 23:58:00 +0200",
        "2026-10-12 23:58:00+02:00",
        "2026-10-12 23:58:00 +02",
        "2026-10-12 16:58:00 -0500",
        "2026-10-12 23:58:00 Europe/Berlin",
        "2026-10-12 21:58:00 GMT",
    ],
)
def test_a_time_that_says_its_zone_is_certain(text):
    assert read_time(text.encode()) == IN_TIME


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16"])
def test_a_byte_order_mark_says_how_to_read_it(encoding):
    assert read_time("2026-10-12 21:58:00 UTC".encode(encoding)) == IN_TIME


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"2026-10-12 23:58:00 CEST", "time zone that is not known"),
        (b"2026-10-12 23:58:00 IST", "time zone that is not known"),
        (b"2026-10-12 23:58:00 Europe/Nowhere", "time zone that is not known"),
        (b"2026-10-12 23:58:00 ../../etc/passwd", "time zone that is not known"),
        (b"12.10.2026 21:58", "is not written like"),
        (b"10/12/2026 21:58", "is not written like"),
        (b"2026-10-12", "is not written like"),
        (b"yesterday", "is not written like"),
        (b"1760306280", "is not written like"),
        (b"2026-02-30 10:00:00 UTC", "that exists"),
        (b"2026-10-12 25:00:00 UTC", "that exists"),
        (b"0001-01-01 00:00:00 +14:00", "that exists"),
        (b"2026-10-12 21:58:00 +9900", "does not exist"),
        (b"2026-10-25 02:30:00 Europe/Berlin", "twice or never"),
        (b"2026-03-29 02:30:00 Europe/Berlin", "twice or never"),
        (b"2026-10-12 21:58:00 UTC\nsecond attempt", "more than one line"),
        (b"2026-10-12 21:58:00 UTC\n2026-10-13 21:58:00 UTC", "more than one line"),
        (b"", "empty"),
        (b" \n", "empty"),
        (b"\xe9\xe8", "not text"),
        ("2026-10-12 21:58:00 UTC".encode("utf-16-le"), "not written like|not text"),
        (b"\x1b[2J2026", "is not written like"),
    ],
)
def test_a_time_that_is_not_certain_is_unknown(data, reason):
    with pytest.raises(UnknownTime, match=reason) as unknown:
        read_time(data)
    assert "\x1b" not in str(unknown.value)
    assert "\n" not in str(unknown.value)


def test_the_courses_own_zone_has_abbreviations():
    assert read_time(b"2026-10-12 23:58:00 CEST", BERLIN) == IN_TIME
    assert read_time(b"2026-10-25 02:30:00 CEST", BERLIN) == datetime(
        2026, 10, 25, 0, 30, tzinfo=UTC
    )
    assert read_time(b"2026-10-25 02:30:00 CET", BERLIN) == datetime(
        2026, 10, 25, 1, 30, tzinfo=UTC
    )
    for wrong in (b"2026-10-12 23:58:00 CET", b"2026-10-12 23:58:00 IST"):
        with pytest.raises(UnknownTime, match="not known"):
            read_time(wrong, BERLIN)


@pytest.mark.parametrize(
    ("text", "rewritten"),
    [
        ("2026-10-12 21:58:00 UTC", False),
        ("2026-10-12 23:58:00+02:00", False),
        ("2026-10-12 23:58:00 +0200", True),  # 200 seconds, to nbgrader
    ],
)
def test_nbgrader_reads_the_time_that_we_read(tmp_path, text, rewritten):
    (tmp_path / TIME).write_text(text)
    agree(tmp_path, text.encode(), IN_TIME)
    assert parse_utc((tmp_path / TIME).read_text()) == IN_TIME.replace(tzinfo=None)
    assert (tmp_path / ORIGINAL_TIME).exists() is rewritten
    assert parse_utc(utc_text(IN_TIME)) == IN_TIME.replace(tzinfo=None)


def test_a_time_that_is_unknown_is_put_beside_and_stays_unknown(tmp_path):
    (tmp_path / TIME).write_text("12.10.2026 21:58")
    one = HandedIn("ann", tmp_path)
    agree(tmp_path, one.timestamp(), None)
    assert not (tmp_path / TIME).exists()
    assert one.timestamp() == b"12.10.2026 21:58"
    assert one.companions() == {}
    (tmp_path / TIME).write_text("2026-10-12 21:58:00 UTC")  # a later attempt
    assert read_time(one.timestamp()) == IN_TIME


def test_a_file_that_cannot_be_a_time_is_refused(tmp_path):
    (tmp_path / TIME).write_bytes(b"2" * 500)
    with pytest.raises(Unreadable, match="larger than 400 bytes"):
        HandedIn("ann", tmp_path).timestamp()
    assert HandedIn("ann", tmp_path / "none").timestamp() is None
