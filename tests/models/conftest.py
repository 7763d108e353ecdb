"""One thread, as everywhere in these tests."""

import tiny  # noqa: F401
