"""With this file here, the modules beside it can be imported by every test below."""

import os
from collections.abc import Iterator

import pytest

# Small models on a busy machine: two threads that wait for each other are many times slower than one.
for name in ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
    os.environ[name] = "1"

# What changes the scores or the place of a run that inherits it.
WATCHED = ("HF_", "PYTHON", "RAY_ADDRESS", "STAND_IN", "XHARNESS_")


def watched() -> dict[str, str]:
    """The variables of the environment that a run would go by."""
    return {name: value for name, value in os.environ.items() if name.startswith(WATCHED)}


@pytest.fixture(autouse=True, scope="module")
def environment_is_left_as_it_was() -> Iterator[None]:
    """A module that leaves a variable behind makes tests of other modules fail, far from its cause."""
    before = watched()
    yield
    assert watched() == before, "this module's tests leave another environment behind"
