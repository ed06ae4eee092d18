"""How long a training will take, logged after a few steps and again after the first evaluation.

Only the rows of the log are read, so that the forecast changes nothing.
"""

from __future__ import annotations

import datetime
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from tapetum.base.memory import Memory, peak_memory
from tapetum.base.words import count_of

STEPS = 20
"""After so many the time of a step is known."""
WARM_UP = 2
"""Steps that do not count: they meet cold caches."""


@dataclass
class Forecast:
    """Takes the rows of steps and evaluations, and returns a line twice.

    total: the number of the last step. evaluations: the steps after which the model is evaluated;
    None: unknown. memory, clock: what is asked for the memory so far, and for the time.
    """

    total: int
    evaluations: Sequence[int] | None = None
    memory: Callable[[], Memory | None] = peak_memory
    clock: Callable[[], datetime.datetime] = datetime.datetime.now
    _seen: int = field(default=0, init=False)
    _seconds: float = field(default=0.0, init=False)
    _evaluation: float | None = field(default=None, init=False)

    def step(self, row: dict[str, Any]) -> str | None:
        """After step number STEPS of this session: time of a step, time to the end, memory."""
        self._seen += 1
        if self._seen > WARM_UP:
            self._seconds += row["seconds"]
        if self._seen != STEPS or row["step"] == self.total:
            return None
        seconds = self._seconds / (STEPS - WARM_UP)
        text = f"step {row['step']}: {duration(seconds)} a step, {self._to_the_end(row['step'])}"
        memory = self.memory()
        return f"{text}; {memory}" if memory else text

    def evaluated(self, row: dict[str, Any]) -> str | None:
        """After the first evaluation: what it changes, if a forecast has been made."""
        first, self._evaluation = self._evaluation is None, row["evaluation_seconds"]
        if not first or self._seen < STEPS or row["step"] == self.total:
            return None
        return f"step {row['step']}: {self._to_the_end(row['step'])}"

    def _to_the_end(self, step: int) -> str:
        left = (self.total - step) * self._seconds / (self._seen - WARM_UP)
        count = sum(due > step for due in self.evaluations or ())
        times = count_of(count, "evaluation")
        if self.evaluations is None:
            text = ", evaluations not counted"
        elif not count:
            text = ""
        elif self._evaluation is None:
            text = f" and {times} that have not been timed yet"
        else:
            left += count * self._evaluation
            text = f" with {times} of {duration(self._evaluation)}"
        now = self.clock()
        end = now + datetime.timedelta(seconds=left)
        when = f"{end:%H:%M}" if end.date() == now.date() else f"{end:%d %b %H:%M}"
        return f"{duration(left)} to the end (about {when}){text}"


def duration(seconds: float) -> str:
    """Seconds in the unit that reads best: "35 ms", "0.41 s", "12 s", "8.2 min", "3.4 h"."""
    if seconds < 0.1:
        return f"{1000 * seconds:.0f} ms"
    if seconds < 10:
        return f"{seconds:.2f} s"
    if seconds < 100:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.1f} min" if seconds < 6000 else f"{seconds / 3600:.1f} h"
