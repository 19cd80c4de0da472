"""Who handed in what, from the archives of learning platforms: names as they write them, and what
people and systems do to files. A file that belongs to nobody is listed, one bad one harms nobody."""

import io
import json
import tarfile
import unicodedata
import zipfile
from datetime import UTC, datetime

import pytest

from grading.intake.platforms import PLATFORMS, folder_name, owners
from tests.grading.platform_archives import (
    NAME,
    Collecting,
    download,
    marks,
    notebook,
    notebooks,
    packed,
)


@pytest.fixture
def collecting(tmp_path) -> Collecting:
    return Collecting(tmp_path)


def _left(collection) -> dict[str, str]:
    return {left.path.removeprefix("all.zip: "): left.reason for left in collection.left}


# --- what each platform writes ---------------------------------------------------------------------

#: platform, members, who is collected with which of them.
ARCHIVES = [
    (
        "canvas",
        [
            f"alphaone_4711_81501_{NAME}.ipynb",
            f"betatwo_LATE_4712_81502_{NAME}.ipynb",
            f"gammathree_4713_81503_{NAME}-1.ipynb",
            f"alphaone_4711_81504_{NAME}-2.ipynb",
        ],
        {
            "alphaone_4711": f"alphaone_4711_81504_{NAME}-2.ipynb",
            "betatwo_4712": f"betatwo_LATE_4712_81502_{NAME}.ipynb",
            "gammathree_4713": f"gammathree_4713_81503_{NAME}-1.ipynb",
        },
    ),
    (
        "canvas",
        [f"alphaone_4711_81501_{NAME}.ipynb", f"alphaone_4999_81509_{NAME}.ipynb"],
        {
            "alphaone_4711": f"alphaone_4711_81501_{NAME}.ipynb",
            "alphaone_4999": f"alphaone_4999_81509_{NAME}.ipynb",
        },
    ),
    (
        "canvas",
        [
            f"submissions/alphaone_4711_81501_{NAME}.ipynb",
            f"__MACOSX/submissions/._alphaone_4711_81501_{NAME}.ipynb",
            "submissions/.DS_Store",
        ],
        {"alphaone_4711": f"submissions/alphaone_4711_81501_{NAME}.ipynb"},
    ),
    (
        "canvas",
        [
            f"alphaone_4711_81501_{NAME}.IPYNB",
            f"betatwo_4713_81503_{NAME}.ipynb.json",
            f"gammathree_4714_81504_{NAME}.ipynb.txt",
            "deltafour_4715_81505_Untitled.ipynb",
        ],
        {
            "alphaone_4711": f"alphaone_4711_81501_{NAME}.IPYNB",
            "betatwo_4713": f"betatwo_4713_81503_{NAME}.ipynb.json",
            "gammathree_4714": f"gammathree_4714_81504_{NAME}.ipynb.txt",
            "deltafour_4715": "deltafour_4715_81505_Untitled.ipynb",
        },
    ),
    (
        "canvas",  # anonymous grading; a file's own name may look like a number, or like a learner
        [
            f"anon_aB3dE_81501_{NAME}.ipynb",
            "zoé_LATE_4712_81502_12_4711_81599_my work (1).ipynb",
        ],
        {
            "anon_aB3dE": f"anon_aB3dE_81501_{NAME}.ipynb",
            "zoé_4712": "zoé_LATE_4712_81502_12_4711_81599_my work (1).ipynb",
        },
    ),
    (
        "moodle",
        [
            f"Alpha One_32011_assignsubmission_file/{NAME}.ipynb",
            f"Béta Twö_32012_assignsubmission_file/{NAME} (1).ipynb",
            f"Alpha One_32099_assignsubmission_file/{NAME}.ipynb",
        ],
        {
            "Alpha One_32011": f"Alpha One_32011_assignsubmission_file/{NAME}.ipynb",
            "Béta Twö_32012": f"Béta Twö_32012_assignsubmission_file/{NAME} (1).ipynb",
            "Alpha One_32099": f"Alpha One_32099_assignsubmission_file/{NAME}.ipynb",
        },
    ),
    (
        "moodle",  # blind marking
        [
            f"Participant_32011_assignsubmission_file/{NAME}.ipynb",
            f"Participant_32012_assignsubmission_file/{NAME}.ipynb",
        ],
        {
            "Participant_32011": f"Participant_32011_assignsubmission_file/{NAME}.ipynb",
            "Participant_32012": f"Participant_32012_assignsubmission_file/{NAME}.ipynb",
        },
    ),
    (
        "moodle",  # flat, the older trailing underscore, and a name that looks like another's
        [
            f"Alpha_One_32011_assignsubmission_file_{NAME}.ipynb",
            f"Béta Twö_32012_assignsubmission_file_/{NAME}.ipynb",
            f"Eve_32013_assignsubmission_file_Béta Twö_32012_assignsubmission_file_{NAME}.ipynb",
        ],
        {
            "Alpha_One_32011": f"Alpha_One_32011_assignsubmission_file_{NAME}.ipynb",
            "Béta Twö_32012": f"Béta Twö_32012_assignsubmission_file_/{NAME}.ipynb",
            "Eve_32013": f"Eve_32013_assignsubmission_file_Béta Twö_32012_assignsubmission_file_{NAME}.ipynb",
        },
    ),
    (
        "moodle",
        [f"Alpha One_32011_assignsubmission_file\\{NAME}.ipynb"],
        {"Alpha One_32011": f"Alpha One_32011_assignsubmission_file\\{NAME}.ipynb"},
    ),
    (
        "blackboard",
        [
            f"Chapter 0_aone_attempt_2026-10-12-13-14-15_{NAME}.ipynb",
            "Chapter 0_aone_attempt_2026-10-12-13-14-15.txt",
            f"Chapter 0_aone_attempt_2026-10-13-08-00-00_{NAME}.ipynb",
            f"Chapter 0_b_two_attempt_2026-10-12-23-14-15_{NAME}.ipynb",
        ],
        {
            "aone": f"Chapter 0_aone_attempt_2026-10-13-08-00-00_{NAME}.ipynb",
            "b_two": f"Chapter 0_b_two_attempt_2026-10-12-23-14-15_{NAME}.ipynb",
        },
    ),
    (
        "brightspace",
        [
            f"12345-67890 - Alpha One - Oct 12, 2026 1014 AM/{NAME}.ipynb",
            f"12345-67891 - Beta Two- Oct 12, 2026 1114 PM - {NAME}.ipynb",
            f"12345-67891 - Beta Two- Oct 12, 2026 104 AM - {NAME}.ipynb",
            "index.html",
        ],
        {
            "Alpha One_12345-67890": f"12345-67890 - Alpha One - Oct 12, 2026 1014 AM/{NAME}.ipynb",
            "Beta Two_12345-67891": f"12345-67891 - Beta Two- Oct 12, 2026 1114 PM - {NAME}.ipynb",
        },
    ),
    (
        "sakai",
        [
            f"Chapter 0/One, Alpha(aone)/Submission attachment(s)/{NAME}.ipynb",
            "Chapter 0/One, Alpha(aone)/timestamp.txt",
            "Chapter 0/grades.csv",
        ],
        {"aone": f"Chapter 0/One, Alpha(aone)/Submission attachment(s)/{NAME}.ipynb"},
    ),
    (
        "ilias",
        [
            f"Abgaben/One_Alpha_aone_123456/20261012131415_{NAME}.ipynb",
            f"Abgaben/One_Alpha_aone_123456/20261012151415_{NAME}.ipynb",
            f"Abgaben/Müller_Zoë_zm_123457/20261012131415_{NAME} (2).ipynb",
        ],
        {
            "aone": f"Abgaben/One_Alpha_aone_123456/20261012151415_{NAME}.ipynb",
            "zm": f"Abgaben/Müller_Zoë_zm_123457/20261012131415_{NAME} (2).ipynb",
        },
    ),
    (
        "google classroom",
        [
            f"Alpha One - {NAME}.ipynb",
            f"Beta Two - Copy of {NAME}.ipynb",
            f"{NAME} - Gamma Three.ipynb",
        ],
        {
            "Alpha One": f"Alpha One - {NAME}.ipynb",
            "Beta Two": f"Beta Two - Copy of {NAME}.ipynb",
            "Gamma Three": f"{NAME} - Gamma Three.ipynb",
        },
    ),
    (
        "github classroom",
        [
            f"chapter-0-alphaone/{NAME}.ipynb",
            "chapter-0-alphaone/README.md",
            f"chapter-0-beta-two/work/{NAME}.ipynb",
        ],
        {
            "alphaone": f"chapter-0-alphaone/{NAME}.ipynb",
            "beta-two": f"chapter-0-beta-two/work/{NAME}.ipynb",
        },
    ),
    (
        "github classroom",  # as `gh classroom clone` puts them; an unknown assignment's name stays
        [f"loops-submissions/loops-alphaone/{NAME}.ipynb", f"loops-beta/{NAME}.ipynb"],
        {
            "alphaone": f"loops-submissions/loops-alphaone/{NAME}.ipynb",
            "loops-beta": f"loops-beta/{NAME}.ipynb",
        },
    ),
    (
        "any",
        [f"alpha_one_4711_{NAME}.ipynb", f"alpha_two_4712_{NAME}.ipynb", f"cleo_{NAME}.ipynb"],
        {
            "alpha_one": f"alpha_one_4711_{NAME}.ipynb",
            "alpha_two": f"alpha_two_4712_{NAME}.ipynb",
            "cleo": f"cleo_{NAME}.ipynb",
        },
    ),
    (
        "any",
        [f"ann_1_5_{NAME}.ipynb", f"ann_2_6_{NAME}.ipynb", f"bob_3_7_{NAME}.ipynb"],
        {
            "ann_1": f"ann_1_5_{NAME}.ipynb",
            "ann_2": f"ann_2_6_{NAME}.ipynb",
            "bob": f"bob_3_7_{NAME}.ipynb",
        },
    ),
]


@pytest.mark.parametrize(("platform", "members", "wanted"), ARCHIVES)
def test_everyone_is_collected_with_the_newest_file(collecting, platform, members, wanted):
    content = {name: notebook(name) if "ipynb" in name.lower() else b"-" for name in members}
    content |= {name: b"Mac" for name in members if "__MACOSX" in name}
    collection = collecting(platform, content)
    assert marks(collection) == wanted
    assert not [left for left in collection.left if left.reason.startswith("its name")]


def test_every_platform_that_can_be_named_has_an_archive_here():
    tried = {platform for platform, _, _ in ARCHIVES} | {"gradescope"}
    assert tried == set(PLATFORMS)


def test_a_late_submission_is_said_to_be_late(collecting):
    found = collecting("canvas", notebooks(f"b_LATE_1_2_{NAME}.ipynb", f"a_3_4_{NAME}.ipynb")).found
    assert [(one.learner, one.note) for one in found] == [
        ("a_3", ""),
        ("b_1", "late, as the platform says"),
    ]


def test_times_are_as_the_platform_says(collecting):
    [one] = collecting("ilias", notebooks(f"A/One_Alpha_aone_1/20261012131415_{NAME}.ipynb")).found
    assert one.owner.time == datetime(2026, 10, 12, 13, 14, 15)
    [two] = owners("brightspace", f"1-2 - B - Oct 12, 2026 1205 AM/{NAME}.ipynb")
    assert two.time == datetime(2026, 10, 12, 0, 5)
    assert owners("blackboard", f"C_a_attempt_2026-13-41-13-14-15_{NAME}.ipynb") == []


METADATA = """\
---
submission_555:
  :submitters:
  - :name: Alpha One
    :sid: '4711'
    :email: AOne@example.org
  :created_at: 2026-10-12 13:14:15.123456789 Z
  :score: 3.0
submission_556:
  :submitters:
  - :name: Beta Two
    :sid: 4712
    :email:
  - :name: Gamma Three
    :email: gamma@example.org
  :created_at: 2026-10-12 13:14:15.123456789 +02:00
"""


def test_gradescope_says_who_by_its_metadata_and_knows_groups(collecting):
    top = "assignment_1234_export"
    members = {
        f"{top}/submission_metadata.yml": METADATA.encode(),
        **notebooks(f"{top}/submission_555/{NAME}.ipynb", f"{top}/submission_556/work.ipynb"),
        f"{top}/submission_557/{NAME}.ipynb": notebook("nobody's"),
    }
    collection = collecting("gradescope", members)
    assert {found.learner: found.owner.time for found in collection.found} == {
        "AOne@example.org": datetime(2026, 10, 12, 13, 14, 15, tzinfo=UTC),
        "4712": datetime(2026, 10, 12, 11, 14, 15, tzinfo=UTC),
        "gamma@example.org": datetime(2026, 10, 12, 11, 14, 15, tzinfo=UTC),
    }
    assert list(_left(collection)) == [f"{top}/submission_557/{NAME}.ipynb"]


@pytest.mark.parametrize(
    "metadata",
    [
        b"",
        b"\xff\xfe\x00",
        b"a: &a [x]\nb: [*a, *a]\n",
        b"!!python/object/apply:os.system ['true']",
        b"[" * 5000,
        b"submission_555: {:submitters: [{:email: {}}, 3]}",
    ],
)
def test_metadata_that_says_nothing_usable_leaves_the_file_to_nobody(collecting, metadata):
    members = {
        "e/submission_metadata.yml": metadata,
        f"e/submission_555/{NAME}.ipynb": notebook("x"),
    }
    collection = collecting("gradescope", members)
    assert collection.found == []
    assert list(_left(collection)) == [f"e/submission_555/{NAME}.ipynb"]


def test_blackboards_receipt_names_the_user_where_a_title_has_an_underscore(collecting):
    stem = "Chapter_0_a_one_attempt_2026-10-12-13-14-15"
    receipt = "Name: Alpha One (a_one)\nAssignment: Chapter_0\n"
    members = {f"{stem}.txt": receipt.encode(), **notebooks(f"{stem}_{NAME}.ipynb")}
    assert list(marks(collecting("blackboard", members))) == ["a_one"]


def test_a_learner_keeps_the_name_that_an_earlier_download_gave(collecting):
    members = notebooks(f"renamed_4711_81501_{NAME}.ipynb", f"ann_4712_81502_{NAME}.ipynb")
    collection = collecting("canvas", members, **{"4711": "maiden_4711"})
    assert set(marks(collection)) == {"maiden_4711", "ann_4712"}
    download(collecting.folder, notebooks(f"ann_1_5_{NAME}.ipynb", f"ann_2_6_{NAME}.ipynb"))
    assert set(marks(collecting.again("any", **{"ann\n1": "ann"}))) == {"ann", "ann_2"}


def test_one_of_several_people_of_a_name_without_a_number_is_not_guessed(collecting):
    collection = collecting("any", notebooks(f"ann_1_{NAME}.ipynb", f"ann_{NAME}.ipynb"))
    assert list(marks(collection)) == ["ann_1"]
    assert "several people are called ann" in _left(collection)[f"ann_{NAME}.ipynb"]


def test_composed_and_decomposed_names_are_one_learner(collecting):
    composed = unicodedata.normalize("NFC", f"Béta Twö - {NAME}.ipynb")
    decomposed = unicodedata.normalize("NFD", composed)
    assert composed != decomposed
    download(collecting.folder, {composed: notebook("first")}, "a.zip", when=1)
    download(collecting.folder, {decomposed: notebook("second")}, "b.zip", when=2)
    collection = collecting.again("google classroom")
    assert marks(collection) == {unicodedata.normalize("NFC", "Béta Twö"): "second"}


@pytest.mark.parametrize(
    ("name", "folder"),
    [
        ("..ann", "ann"),
        ("../../etc", "etc"),
        ("<b>bold</b>", "b bold b"),
        ("a\x00\x1b[31m\u202eb", "a [31m b"),
        ("Zoë\u200b  Müller ", "Zoë Müller"),
        ("C:\\x", "C x"),
        ("...", ""),
        ("é" * 200, "é" * 75),
        ("{student_id}", "student_id"),
    ],
)
def test_a_name_becomes_a_folder_that_every_system_takes(name, folder):
    assert folder_name(name) == folder


# --- what people and systems do to files ---------------------------------------------------------------


def test_of_a_learners_own_archive_the_hand_in_copy_counts_and_never_a_checkpoint(collecting):
    inner = {
        f"my-course/{NAME}.ipynb": notebook("mine"),
        f"my-course/.ipynb_checkpoints/{NAME}-checkpoint.ipynb": notebook("checkpoint"),
        f"hand-in/{NAME}/{NAME}.ipynb": notebook("handed in"),
        "my-course/05_complete_loop.ipynb": notebook("another chapter", "05"),
        "notes.pdf": b"%PDF",
    }
    members = {
        "alphaone_4711_81501_work.zip": packed(inner),
        "betatwo_4713_81503_work.zip": packed({k: v for k, v in inner.items() if "hand" not in k}),
        "gammathree_4714_81504_w.zip": packed({k: v for k, v in inner.items() if "check" in k}),
    }
    collection = collecting("canvas", members)
    assert marks(collection) == {"alphaone_4711": "handed in", "betatwo_4713": "mine"}


def test_a_tar_archive_of_a_learner_is_unpacked_too(collecting):
    data = io.BytesIO()
    with tarfile.open(fileobj=data, mode="w:gz") as file:
        content = notebook("in a tar")
        info = tarfile.TarInfo(f"x/{NAME}.ipynb")
        info.size = len(content)
        file.addfile(info, io.BytesIO(content))
        link = tarfile.TarInfo("x/other.ipynb")
        link.type, link.linkname = tarfile.SYMTYPE, "/etc/passwd"
        file.addfile(link)
    collection = collecting("canvas", {"a_1_2_work.tar.gz": data.getvalue()})
    assert marks(collection) == {"a_1": "in a tar"}
    assert "link" in _left(collection)["a_1_2_work.tar.gz/x/other.ipynb"]


def test_archives_that_cannot_be_opened_are_named_and_the_others_collected(collecting):
    members = {
        "alphaone_4711_81501_work.rar": b"Rar!",
        "betatwo_4713_81503_work.7z": b"7z",
        f"gammathree_4715_81505_{NAME}.ipynb": notebook("gamma"),
        "deltafour_4716_81506_work.zip": b"PK and no more",
        "bomb_4717_81507_work.zip": packed({f"{NAME}.ipynb": bytes(101 * 2**20)}),
        "many_4718_81508_work.zip": packed({f"{i}.txt": b"" for i in range(1001)}),
        "deep_4719_81509_work.zip": packed({"d.zip": packed({f"{NAME}.ipynb": notebook("d")})}),
    }
    collection = collecting("canvas", members)
    assert marks(collection) == {"gammathree_4715": "gamma"}
    left = _left(collection)
    assert len(left) == 6
    assert all("packed" in reason for reason in left.values())
    assert {one.learner for one in collection.left} >= {"alphaone", "betatwo"}


def test_members_that_would_leave_the_folder_stay_with_their_learner_or_nobody(
    collecting, tmp_path
):
    members = {
        f"../../evil_1_2_{NAME}.ipynb": notebook("up"),
        f"/etc/abs_3_4_{NAME}.ipynb": notebook("absolute"),
        f"../{NAME}.ipynb": notebook("nobody's"),
        f"..\\..\\win_5_6_{NAME}.ipynb": notebook("windows"),
        f".._7_8_{NAME}.ipynb": notebook("dots"),
    }
    collection = collecting("canvas", members)
    assert set(marks(collection)) == {"evil_1", "abs_3", "win_5"}
    assert set(_left(collection)) == {f"../{NAME}.ipynb", f".._7_8_{NAME}.ipynb"}
    assert {path.name for path in tmp_path.iterdir()} == {"archive", "spool"}


def test_links_and_encrypted_members_are_not_read(collecting):
    data = io.BytesIO()
    with zipfile.ZipFile(data, "w") as file:
        link = zipfile.ZipInfo(f"a_1_2_{NAME}.ipynb")
        link.external_attr = 0o120777 << 16
        file.writestr(link, "/etc/passwd")
        file.writestr(f"b_3_4_{NAME}.ipynb", notebook("b"))
        file.writestr(f"c_5_6_{NAME}.ipynb", notebook("c"))
    raw = bytearray(data.getvalue())
    place = raw.rfind(b"PK\x01\x02", 0, raw.rfind(f"c_5_6_{NAME}".encode()))
    raw[place + 8] |= 1  # the central directory says that the last one is encrypted
    collecting.folder.mkdir()
    (collecting.folder / "all.zip").write_bytes(raw)
    (collecting.folder / f"d_7_8_{NAME}.ipynb").symlink_to("/etc/hostname")
    collection = collecting.again("canvas")
    assert marks(collection) == {"b_3": "b"}
    reasons = {left.path.split("_")[0][-1]: left.reason for left in collection.left}
    assert "link" in reasons["a"]
    assert "encrypted" in reasons["c"]
    assert "link" in reasons["d"]


def test_damaged_members_harm_nobody_else(collecting):
    raw = bytearray(packed(notebooks(f"a_1_2_{NAME}.ipynb", f"b_3_4_{NAME}.ipynb")))
    start = raw.find(b".ipynb") + 40
    raw[start : start + 60] = bytes(60)
    collecting.folder.mkdir()
    (collecting.folder / "all.zip").write_bytes(raw)
    collection = collecting.again("canvas")
    assert list(marks(collection)) == ["b_3"]
    assert "cannot be unpacked" in _left(collection)[f"a_1_2_{NAME}.ipynb"]


def test_a_download_that_is_broken_is_one_line(collecting):
    download(collecting.folder, notebooks(f"a_1_2_{NAME}.ipynb"), "good.zip")
    (collecting.folder / "cut.zip").write_bytes(packed(notebooks(f"b_3_4_{NAME}.ipynb"))[:-40])
    collection = collecting.again("canvas")
    assert list(marks(collection)) == ["a_1"]
    assert "not unpacked" in _left(collection)["cut.zip"]


@pytest.mark.parametrize("encoding", ["utf-8", "cp437", "latin-1"])
def test_names_that_do_not_say_their_encoding(collecting, encoding):
    name = f"Béta_32012_assignsubmission_file/{NAME}.ipynb"
    placeholder = name.replace("é", "e" if encoding != "utf-8" else "ee")
    raw = packed({placeholder: notebook("b")})
    raw = raw.replace(placeholder.encode(), name.encode(encoding))
    collecting.folder.mkdir()
    (collecting.folder / "all.zip").write_bytes(raw)
    [found] = collecting.again("moodle").found
    assert found.owner.key == "32012"
    assert found.learner == "Béta_32012" or encoding == "latin-1"


def test_the_cells_tell_the_chapter_and_not_the_name(collecting):
    members = {
        f"a_1_2_{NAME}.ipynb": notebook("of chapter 05", "05"),
        "b_3_4_05_complete_loop.ipynb": notebook("of chapter 00"),
        "c_5_6_photo.png": b"\x89PNG",
        "d_7_8_notes.txt": b"I could not do it",
        "e_9_10_x.json": b'{"cells": []}',
        f"f_11_12_{NAME}.ipynb": b'{"cells": []}',
        f"g_13_14_{NAME}.ipynb": b"<html>404</html>",
        "h_15_16_": b"",
    }
    collection = collecting("canvas", members)
    found = {one.learner: one.note for one in collection.found}
    assert set(found) == {"b_3", "f_11", "g_13"}
    assert "no cell" in found["f_11"]
    assert "cannot be read" in found["g_13"]
    left = _left(collection)
    assert "05_complete_loop" in left[f"a_1_2_{NAME}.ipynb"]
    assert left["c_5_6_photo.png"] == "not a notebook"


def test_a_readable_older_attempt_goes_before_a_newer_broken_one(collecting):
    members = {
        f"a_1_2_{NAME}.ipynb": notebook("good"),
        f"a_1_3_{NAME}.ipynb": notebook("cut off")[:-50],
        f"a_1_1_{NAME}.ipynb": notebook("older"),
    }
    assert marks(collecting("canvas", members)) == {"a_1": "good"}


def test_without_metadata_the_cells_are_recognised_by_their_text(collecting):
    tree = json.loads(notebook("stripped"))
    for cell in tree["cells"]:
        cell["metadata"] = {}
    collection = collecting("canvas", {"a_1_2_Untitled.ipynb": json.dumps(tree).encode()})
    assert marks(collection) == {"a_1": "stripped"}


def test_two_different_files_of_one_attempt_are_not_guessed_between(collecting):
    folder = "Ann_1_assignsubmission_file"
    other = "Bob_2_assignsubmission_file"
    members = notebooks(f"{folder}/one.ipynb", f"{folder}/two.ipynb", f"{other}/{NAME}.ipynb")
    members |= {f"{other}/{NAME} (1).ipynb": notebook("a copy by the browser")}
    collection = collecting("moodle", members)
    assert marks(collection) == {"Bob_2": f"{other}/{NAME}.ipynb"}
    [left] = [left for left in collection.left if left.learner == "Ann"]
    assert left.reason == "2 different notebooks could be meant"


def test_the_same_file_twice_is_no_question(collecting):
    folder = "Ann_1_assignsubmission_file"
    members = {f"{folder}/one.ipynb": notebook("x"), f"{folder}/two.ipynb": notebook("x")}
    assert marks(collecting("moodle", members)) == {"Ann_1": "x"}


def test_loose_files_folders_and_unpacked_archives_of_learners_are_collected_too(collecting):
    collecting.folder.mkdir()
    (collecting.folder / "c_5_6_work").mkdir()
    (collecting.folder / "c_5_6_work" / f"{NAME}.ipynb").write_bytes(notebook("folder"))
    (collecting.folder / f"a_1_2_{NAME}.ipynb").write_bytes(notebook("file"))
    (collecting.folder / "b_3_4_work.zip").write_bytes(packed(notebooks("x.ipynb")))
    found = marks(collecting.again("canvas"))
    assert found == {"a_1": "file", "b_3": "x.ipynb", "c_5": "folder"}


def test_names_of_another_platform_are_told(collecting):
    collection = collecting("blackboard", notebooks(f"A B_1_assignsubmission_file/{NAME}.ipynb"))
    assert collection.found == []
    assert collection.likelier() == "moodle"
