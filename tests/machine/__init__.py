"""A state machine over the way of a receipt; `test_machine.py` says what it is made of."""

import pytest

pytest.register_assert_rewrite("tests.machine.model", "tests.machine.picture")
