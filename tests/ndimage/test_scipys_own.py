"""SciPy's tests of its convolution filters pass with the names replaced."""

from __future__ import annotations

from tests.ndimage import scipys_tests

globals().update(scipys_tests.tests_of(scipys_tests.load()))
