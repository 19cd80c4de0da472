"""A panel for a run that goes on: Train, Pause, Step, and a button per preset.

The clock is a hidden ``Play`` widget. Each of its ticks is a message from the page, on which the
kernel trains for some milliseconds and draws one picture; between two ticks the kernel is free for
other cells. No threads and no asyncio: pausing is instant, and closing the page stops the run.

ipywidgets 8 starts ``Play`` when the kernel says so. The page of ipywidgets 7 (Colab) only starts
it on a click: there the picture's snippet clicks, and where snippets are blocked the reader still
can, because ``Play`` stays visible.
"""

import time
from collections.abc import Callable
from typing import Any

import ipywidgets as widgets

from course_lib.panels.widgets import Panel
from course_lib.simulations.base import LiveSimulation, Preset

#: Seconds of training per tick, minimum and maximum. In between, three times as long as the rest of
#: a cycle (drawing, messages), so that three quarters of the time is training, as long as that
#: leaves ten pictures a second.
BUDGET = (0.03, 0.065)
CYCLE = 0.095
#: Milliseconds between ticks when the kernel is faster than that; the page merges the others.
INTERVAL = 50
#: A run starts at one step per picture, because the first steps change most; it speeds up by this.
SPEED_UP = 1.25
#: A preset with an end plays in about this many pictures, which takes 5 seconds.
PRESET_PICTURES = 80


class LivePanel(Panel):
    """``steps`` counts the optimizer steps of the run now shown; ``running`` is the clock."""

    simulation: LiveSimulation

    def __init__(self, simulation: LiveSimulation, **settings: Any) -> None:
        self.steps = 0
        self._stop_at: int | None = None
        self._forget_pace()
        self.play = widgets.Play(min=0, max=10**9, interval=INTERVAL)
        self._listens = self.play.has_trait("playing")  # ipywidgets 8
        self._switch = "playing" if self._listens else "_playing"
        self._starts = 0
        self._rest = 0.02  # seconds of a cycle that are not training
        self._last_tick = float("-inf"), 0.0  # when it began, and how long it trained
        super().__init__(simulation, **settings)
        self.play.observe(lambda _: self._guarded(self.tick), names="value")
        self.play.observe(self._on_switch, names=self._switch)

    @property
    def running(self) -> bool:
        return getattr(self.play, self._switch)

    def train(self) -> None:
        """Start the clock."""
        self._starts += 1
        self._set_running(True)
        self._draw()

    def pause(self) -> None:
        """Stop the clock; the run stays as it is."""
        self._set_running(False)
        self._draw()

    def toggle(self) -> None:
        """What the Train/Pause button does."""
        if self.running:
            self.pause()
        else:
            self._stop_at = None
            self.train()

    def single_step(self) -> None:
        """One optimizer step, then a picture."""
        self._set_running(False)
        self._advance(1)
        self._draw()

    def reset(self) -> None:
        """Stop, and go back to the settings and the untrained network of the start."""
        self._set_running(False)
        self._stop_at = None
        super().reset()

    def apply(self, preset: Preset) -> None:
        """A new run with the preset's settings, played to its end."""
        self._set_running(False)
        super().apply(preset)
        self._stop_at = preset.stop_at
        if preset.stop_at:
            self._most = max(1.0, preset.stop_at / PRESET_PICTURES)
        self.train()

    def tick(self) -> None:
        """One beat of the clock: train for the budget, draw. Public for tests and benchmarks."""
        if not self.running:  # a tick that was on its way when Pause was pressed
            return
        goal = self.steps + int(min(self._pace, self._most))
        if self._stop_at is not None:
            goal = min(goal, self._stop_at)
        begin = time.perf_counter()
        end = begin + self._budget(begin)
        while self.steps < goal and (seconds_left := end - time.perf_counter()) > 0:
            affordable = int(seconds_left / self._seconds_per_step)
            self._advance(max(1, min(affordable, goal - self.steps)))
        self._last_tick = begin, time.perf_counter() - begin
        if self.steps == goal:  # there was time for more
            self._pace *= SPEED_UP
        if self._stop_at is not None and self.steps >= self._stop_at:
            self._set_running(False)
        self._draw()

    def _budget(self, now: float) -> float:
        """Seconds of training for this tick, from what the last cycle cost besides training."""
        begin, trained = self._last_tick
        least, most = BUDGET
        rest = now - begin - trained
        if rest < CYCLE:  # else the run was paused, or the kernel was busy with something else
            self._rest += 0.3 * (rest - self._rest)
        return min(most, max(least, min(3 * self._rest, CYCLE - self._rest)))

    def _advance(self, n: int) -> None:
        start = time.perf_counter()
        self.state = self.simulation.step(self.state, n)
        self._seconds_per_step = max(1e-7, (time.perf_counter() - start) / n)
        self.steps += n

    def _settings_changed(self) -> None:
        """Settings changed in the middle of a run: continue it if the simulation can."""
        adjust = getattr(self.simulation, "adjust", None)
        adjusted = adjust(self.state, self.settings) if adjust else None
        if adjusted is None:
            self._restart()
        else:
            self.state = adjusted
            self._draw()

    def _restart(self) -> None:
        self.steps = 0
        self._forget_pace()
        super()._restart()

    def _forget_pace(self) -> None:
        self._pace = 1.0
        self._most = float("inf")
        # Not known yet: assume a slow step; the first one shows.
        self._seconds_per_step = 1.0

    def _button_row(self) -> list[widgets.Widget]:
        self._toggle = self._button("Train", self.toggle)
        self._toggle.button_style = "primary"
        step = self._button("Step", self.single_step)
        if self._listens:
            self.play.layout.display = "none"
        return [self._toggle, step, *super()._button_row(), self.play]

    def _set_running(self, running: bool) -> None:
        setattr(self.play, self._switch, running)

    def _on_switch(self, _: Any) -> None:
        self._toggle.description = "Pause" if self.running else "Train"

    def _guarded(self, action: Callable[[], None]) -> None:
        super()._guarded(action)
        if self.error is not None and self.running:
            self._set_running(False)

    def _marks(self) -> dict[str, Any]:
        start = self._starts if self.running and not self._listens else None
        return {"announce": not self.running, "start": start}
