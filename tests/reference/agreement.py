"""When a fast number and its slow twin agree."""

from __future__ import annotations

import numpy as np


def assert_same(found: np.ndarray | float, expected: object) -> None:
    """Within 1e-9 of a percent; nan where nan is expected."""
    np.testing.assert_allclose(found, np.array(expected, float), rtol=0, atol=1e-9)
