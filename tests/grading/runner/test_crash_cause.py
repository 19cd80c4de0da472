"""Which cell is blamed when a kernel ends follows from the history alone: no kernel is needed to test it."""

from grading.runner.crash_cause import Attempt, Cell, Trial, next_step

HOW = "it ended the Python process"
PLAIN, TIMER, THREAD = Cell("x = 1"), Cell("signal.alarm(1)"), Cell("threading.Thread()")
EXERCISE = Cell("def fit(): os.fork()", is_solution=True)


def _ended(at: int | None, ran: int, status: str = "error", **more) -> Attempt:
    return Attempt(at=at, ran=list(range(ran)), status=status, how=HOW, seconds=2.0, **more)


def _in_trial(trial: Trial, at: int | None = None, reached: bool = False) -> Attempt:
    return _ended(at, trial.at, trial=trial, reached=reached)


def test_a_cell_that_ran_alone_is_blamed_at_once():
    assert next_step([_ended(1, 2)], [PLAIN, PLAIN]) == 1


def test_a_cell_whose_own_time_ran_out_is_blamed_whatever_ran_before():
    assert next_step([_ended(1, 2, "timeout")], [TIMER, PLAIN]) == 1


def test_between_two_cells_nobody_is_blamed():
    assert next_step([_ended(None, 1)], [TIMER, PLAIN]) is None


def test_where_an_earlier_cell_could_have_done_it_the_first_trial_leaves_nothing_out():
    step = next_step([_ended(1, 2)], [TIMER, PLAIN])
    assert step == Trial(1, 2.5, "ended the Python process")


def test_a_cell_that_ends_the_kernel_after_quiet_is_blamed_for_it():
    cells, history = [TIMER, PLAIN], [_ended(1, 2)]
    trial = next_step(history, cells)
    assert next_step([*history, _in_trial(trial, at=1, reached=True)], cells) == 1


def test_each_suspect_is_left_out_in_turn_and_then_all_scratch_cells_first():
    cells = [THREAD, EXERCISE, TIMER, PLAIN]
    history, absent = [_ended(3, 4)], []
    while isinstance(step := next_step(history, cells), Trial):
        absent.append(step.absent)
        history.append(_in_trial(step))
    assert absent == [set(), {2}, {0}, {1}, {0, 1, 2}]
    assert step == 3  # nobody else could be found


def test_only_the_last_suspects_are_tried():
    history, tried = [_ended(9, 10)], set()
    while isinstance(step := next_step(history, [TIMER] * 10), Trial):
        tried |= step.absent
        history.append(_in_trial(step))
    assert tried == {8, 7, 6}


def test_a_trial_waits_no_longer_than_half_a_minute():
    attempt = _ended(1, 2)
    attempt.seconds = 200.0
    assert next_step([attempt], [TIMER, PLAIN]).seconds == 30.0


def test_a_cell_that_ended_a_kernel_before_is_not_doubted_twice():
    """The first trial passed: it ran through then, so its open trial is over."""
    history = [_ended(1, 2), _ended(3, 4), _ended(1, 2)]
    assert next_step(history, [TIMER, PLAIN, PLAIN, PLAIN]) == 1


def test_a_later_end_starts_trials_of_its_own():
    history = [_ended(1, 2), _ended(3, 4)]
    step = next_step(history, [TIMER, PLAIN, PLAIN, PLAIN])
    assert (step.at, step.absent) == (3, frozenset())


def test_a_limit_that_ends_a_trial_ends_the_doubt():
    cells, history = [TIMER, PLAIN], [_ended(1, 2)]
    trial = next_step(history, cells)
    attempt = _in_trial(trial, at=0)
    attempt.status = "timeout"
    assert next_step([*history, attempt], cells) == 0
