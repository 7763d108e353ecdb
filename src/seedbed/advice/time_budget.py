"""The time budget of a race, and the time spent so far.

In: minutes. Out: seconds spent and seconds left. Work that does not fit is not started.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, field


@dataclass
class Clock:
    """A time budget that starts when the object is created."""

    minutes: float
    _started: float = field(default_factory=time.monotonic)

    @property
    def spent(self) -> float:
        """Seconds since the start."""
        return time.monotonic() - self._started

    @property
    def total(self) -> float:
        """The whole budget in seconds."""
        return 60 * self.minutes

    def left(self, share: float = 1.0) -> float:
        """Seconds until this share of the budget is spent; never below 0."""
        return max(0.0, share * self.total - self.spent)
