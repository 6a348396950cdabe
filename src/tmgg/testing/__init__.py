"""Tests that every `CloudRunner` must pass, for authors of backends.

    from tmgg.testing import BackendUnderTest, CloudRunnerSuite

    class TestMine(CloudRunnerSuite):
        @pytest.fixture(scope="class")
        @classmethod
        def backend(cls) -> BackendUnderTest:
            return BackendUnderTest("mine", {"output_dir": "..."})

docs/backends.md says what the tests require. This package needs pytest; the rest of TMGG does not.
"""

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tmgg.testing.backend import BackendUnderTest
    from tmgg.testing.suite import CloudRunnerSuite

__all__ = ["BackendUnderTest", "CloudRunnerSuite"]

_HOMES = {
    "BackendUnderTest": "tmgg.testing.backend",
    "CloudRunnerSuite": "tmgg.testing.suite",
}
_WITH_ASSERTIONS = ("backend", "jobs", "life_cycle", "outcomes", "processes", "suite", "sweeps")


def __getattr__(name: str) -> Any:
    # Imported late: jobs import `tmgg.testing.experiments`, and may have no pytest.
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    import pytest

    pytest.register_assert_rewrite(*(f"{__name__}.{module}" for module in _WITH_ASSERTIONS))
    return getattr(importlib.import_module(_HOMES[name]), name)
