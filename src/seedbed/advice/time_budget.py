"""Time: what a race may take, and what it has taken.

In: minutes. Out: seconds spent and left. What does not fit is not begun; the race says so.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, field


@dataclass
class Clock:
    """Runs from when it is made."""

    minutes: float
    _started: float = field(default_factory=time.monotonic)

    @property
    def spent(self) -> float:
        """Seconds since the start."""
        return time.monotonic() - self._started

    @property
    def total(self) -> float:
        """Seconds that were given."""
        return 60 * self.minutes

    def left(self, share: float = 1.0) -> float:
        """Seconds until this share of the whole is spent; never below 0."""
        return max(0.0, share * self.total - self.spent)
