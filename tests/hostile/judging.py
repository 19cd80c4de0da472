"""What has to hold of every case and of the honest learners around it."""

import json

from tests.hostile.handing_in import CHAPTER, FULL, HONEST, REACHED, Batch, Case, left_by


def assert_honest_unchanged(batch: Batch, undisturbed: dict[str, dict]) -> None:
    for learner in HONEST:
        after = left_by(batch.course, learner)
        assert after["rows"] == undisturbed[learner]["rows"]
        before, now = undisturbed[learner]["files"], after["files"]
        changed = {name for name in before.keys() | now.keys() if before.get(name) != now.get(name)}
        assert not changed, f"what was left of {learner} differs: {sorted(changed)}"


def assert_holds(batch: Batch, case: Case) -> None:
    learner = batch.learner_of[case.name]
    result = batch.results[learner]
    rows = left_by(batch.course, learner)["rows"]
    if case.unreadable:
        assert result.outcome is None
        assert case.unreadable in result.problem
        assert "\n" not in result.problem
        assert {rows[f"{name}__test"][0] for name in FULL} <= {None}
        return
    assert result.outcome is not None, result.problem
    wanted = FULL | {k: v for other in batch.cases_of[learner] for k, v in other.points.items()}
    got = {item.grade_id.removesuffix("__test"): item for item in result.outcome.items}
    for name in [*case.points, *(name for name in FULL if wanted[name] == FULL[name])]:
        if wanted[name] is None:
            continue
        assert (name, got[name].score) == (name, wanted[name]), (got[name], result.outcome.problems)
        assert rows[f"{name}__test"][0] == wanted[name]
    said = [*result.outcome.problems, *(item.message for item in result.outcome.items)]
    assert case.says in "\n".join(said), said
    assert all("\n" not in sentence and len(sentence) < 2_000 for sentence in said)
    assert_shown_safely(batch, learner)


def assert_shown_safely(batch: Batch, learner: str) -> None:
    """Nothing was reached, and nothing of the learner's runs where the instructor looks at it."""
    graded = batch.course / "autograded" / learner / CHAPTER.id / f"{CHAPTER.id}.ipynb"
    cells = json.loads(graded.read_text(encoding="utf-8"))["cells"]
    errors = {
        o["ename"] for c in cells for o in c.get("outputs", []) if o["output_type"] == "error"
    }
    assert not errors & {"SyntaxError", "IndentationError", "NameError"}, "the case is misspelt"
    printed = json.dumps([cell.get("outputs", []) for cell in cells])
    assert REACHED not in printed, printed[max(0, printed.find(REACHED) - 50) :][:400]
    page = (batch.course / "feedback" / learner / CHAPTER.id / f"{CHAPTER.id}.html").read_text(
        encoding="utf-8"
    )
    body = page.partition("</head>")[2]
    assert "<script>steal" not in body
    assert "<img src=x" not in body
    verdicts = body.count('<div class="tex2jax_ignore')
    assert verdicts == 1 + len(FULL), "a message would be set as TeX"
