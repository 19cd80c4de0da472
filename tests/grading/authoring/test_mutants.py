"""Mutation testing of the hidden tests: what is changed, and what the judge says of it."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pytest

from course_lib.chapters import CHAPTERS
from course_lib.exercises import chapter_exercises
from grading.answers import find_answer
from grading.authoring import mutation_run
from grading.authoring.mutants import mutants_of
from grading.authoring.mutation_run import (
    KNOWN,
    MutantVerdict,
    Summary,
    exercise_verdicts,
    known_verdicts,
    mutation_test,
)
from grading.authoring.solutions import exercises_called
from grading.chapter_text.reference import reference_source
from grading.errors import Problem

SOURCE = '''\
def mean(values, start=0.0):
    """The mean."""
    total = start
    for value in values:
        if value is not None and value > 0:
            total += value
    return total / len(values)
'''


@pytest.fixture(scope="module")
def made() -> dict[str, str]:
    return {mutant.name: mutant.source for mutant in mutants_of(SOURCE)}


@pytest.mark.parametrize(
    ("name", "line"),
    [
        ("total += value -> nothing", "pass"),
        ("value > 0 -> value >= 0", "value >= 0"),
        ("total += value -> total -= value", "total -= value"),
        ("total += value -> total = value", "total = value"),
        ("total / len(values) -> total * len(values)", "total * len(values)"),
        ("value is not None and value > 0 -> value is not None or value > 0", " or "),
        ("0 -> 1", "value > 1"),
        ("0.0 -> 1.0", "start=1.0"),
        ("if value is not None and value > 0: -> always", "if True"),
        ("for value in values: -> one round only", "break"),
        ("for value in values: -> return total / len(values) inside", "        return total"),
        ("return total / len(values) -> return float(total / len(values))", "float("),
        ("total -> value", "return value / len(values)"),
    ],
)
def test_a_small_mistake_is_made(made, name, line):
    assert line in made[name]


def test_every_mutant_is_another_program_and_has_a_name_of_its_own(made):
    mutants = mutants_of(SOURCE)
    assert len({mutant.source for mutant in mutants}) == len(made) == len(mutants)
    for mutant in mutants:
        compile(mutant.source, mutant.name, "exec")


def test_state_of_an_instance_becomes_state_of_its_class():
    source = "class A:\n    def __init__(self, x):\n        self.x = x\n"
    changed = {mutant.name: mutant.source for mutant in mutants_of(source)}
    assert "type(self).x = x" in changed["self.x -> type(self).x"]


#: The first exercise of each chapter, a quick one; the weekly workflow takes all mutants of all.
SAMPLED = [chapter_exercises(chapter)[0].name for chapter in CHAPTERS if chapter_exercises(chapter)]
EXERCISES = [each.name for chapter in CHAPTERS for each in chapter_exercises(chapter)]


@pytest.mark.parametrize("name", SAMPLED)
def test_the_hidden_tests_notice_a_sample_of_changes(name):
    verdicts = exercise_verdicts(name, secrets=1, sample=3, named=False)
    assert len(verdicts) == 3
    assert [each.name for each in verdicts if each.survived and not each.listed] == []


#: Quick ones of several chapters, with one point aspects and with many.
GOALS = ["mse", "linear_gradients", "sgd_step", "train_val_split", "warmup_cosine", "clinic_f"]


def test_the_goals_are_met_on_a_sample():
    """Of all exercises they are in the weekly workflow."""
    found = []
    for name in GOALS:
        found += exercise_verdicts(name, secrets=1, sample=10) + known_verdicts(name)
    summary = Summary.of(found)
    assert summary.survive == 0
    assert summary.known > 60
    assert summary.missed_goals() == []


def test_what_a_mutant_earns_and_is_called():
    verdicts = exercise_verdicts("count_updates", secrets=1, sample=25)
    killed = [each for each in verdicts if not each.survived]
    assert any(each.misconception for each in killed)
    assert all(each.score < each.max_score for each in killed)
    assert any(each.stillborn for each in killed)


@pytest.mark.parametrize("name", EXERCISES)
def test_what_is_listed_as_equivalent_is_a_mutant(name):
    listed = set(find_answer(name).equivalent)
    assert not listed or listed <= {each.name for each in mutants_of(reference_source(name))}


@pytest.mark.parametrize("listed", [False, True])
def test_what_survives_comes_with_what_to_do_about_it(monkeypatch, capsys, listed):
    """The verdicts are given here: threads do for what would otherwise start processes."""
    survivor = MutantVerdict("", "x -> y", "name", True, listed, 4.0, 4.0, None, "")
    monkeypatch.setattr(
        mutation_run, "ProcessPoolExecutor", lambda workers, *_: ThreadPoolExecutor(workers)
    )
    monkeypatch.setattr(
        mutation_run, "exercise_verdicts", lambda name, _: [replace(survivor, exercise=name)]
    )
    monkeypatch.setattr(mutation_run, "known_verdicts", lambda name: [])
    assert mutation_test(["fit"], 1, None) is listed
    printed = " ".join(capsys.readouterr().out.split())
    assert ("fit: x -> y (name) survives" in printed) is not listed
    assert ("list it in the ANSWER under equivalent" in printed) is not listed


def verdict(score: float, of: float, named: bool, kind: str = "constant") -> MutantVerdict:
    name = "a name" if named else None
    return MutantVerdict("x", "a -> b", kind, False, False, score, of, name, "")


def test_the_summary_counts_what_was_born_and_shares_of_two_points_or_more():
    found = [
        verdict(0.0, 2.0, named=True),
        verdict(1.5, 2.0, named=False),
        verdict(0.0, 1.0, named=True, kind=KNOWN),
        replace(verdict(0.0, 2.0, named=False), stillborn=True),
        replace(verdict(2.0, 2.0, named=False), survived=True, listed=True),
    ]
    summary = Summary.of(found)
    assert (summary.mutants, summary.killed, summary.stillborn) == (4, 3, 1)
    assert (summary.equivalent, summary.survive, summary.known) == (1, 0, 1)
    assert (summary.named, summary.nothing, summary.mean) == (2 / 3, 0.5, 0.375)
    assert len(summary.missed_goals()) == 3
    assert Summary.of([verdict(1.5, 2.0, named=True)]).missed_goals() == []


def test_exercises_are_called_by_chapter_and_by_name():
    names = exercises_called(["05"], [])
    assert {"fit", "train"} & set(names) == {"fit"}
    assert exercises_called([], ["train", "fit"]) == ["fit", "train"]
    with pytest.raises(Problem, match=r"no exercise 'fitt' here; .*fit"):
        exercises_called(["05"], ["fitt"])
