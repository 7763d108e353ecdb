"""Sources made of records."""

from __future__ import annotations

import pytest

from seedbed.base.errors import BadDataError


def test_two_images_of_one_id_are_refused() -> None:
    from seedbed.data.formats.digits import DigitPixels
    from seedbed.data.source import from_records

    with pytest.raises(BadDataError, match="two images of one id, 'x'"):
        from_records(
            "made", [("x", "a", 0), ("x", "b", 2), ("y", "b", 0)], pixels=DigitPixels(), listing=""
        )
