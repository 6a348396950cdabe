"""What of a script is there when a job loads it, told from its source."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tmgg.experiment_utils.program.script import Script

SOURCE = """
from __future__ import annotations
import os.path as path, sys
A = B = 1
if A:
    def inner(): ...
try:
    import missing_module as found
except ImportError:
    found = None

class Kept:
    nested = 1

def setter():
    global FLAG
    FLAG = 1

if __name__ == "__main__":
    import late
    B = 2
    class Late: ...
    setter()
else:
    A = "not here"
"""


def test_names_are_those_that_loading_defines() -> None:
    script = Script(SOURCE.encode(), "app.py")

    assert {"path", "sys", "A", "B", "inner", "found", "Kept", "setter"} <= script.defined
    assert not {"late", "Late", "nested", "os"} & script.defined


def test_what_the_guarded_part_or_a_global_statement_names_may_have_changed() -> None:
    assert Script(SOURCE.encode(), "app.py").changed == {"late", "B", "Late", "setter", "FLAG"}


def test_loading_runs_all_but_the_guarded_part_and_keeps_the_name() -> None:
    module: dict[str, Any] = {"__name__": "__main__"}
    exec(Script(SOURCE.encode(), "app.py").code(), module)

    assert module["A"] == module["B"] == 1
    assert module["Kept"].__module__ == "__main__"
    assert "Late" not in module


@pytest.mark.parametrize(
    "guard",
    [
        'if __name__ == "__main__":',
        "if '__main__' == __name__:",
        'if __name__ == "__main__" and len("x"):',
    ],
)
def test_a_line_in_the_guarded_part_is_known(guard: str) -> None:
    script = Script(f"x = 1\n{guard}\n    y = (\n        2)\nz = 3\n".encode(), "app.py")

    assert [script.is_guarded(line) for line in range(1, 6)] == [False, False, True, True, False]


@pytest.mark.parametrize(
    "guard", ['if __name__ != "__main__":', 'if __name__ == "main":', "if True:", "while x:"]
)
def test_what_is_no_guard_is_not_left_out(guard: str) -> None:
    script = Script(f"x = 1\n{guard}\n    y = 2\n    break_ = 1\n".encode(), "app.py")

    assert not script.is_guarded(3)
    assert "y" in script.defined


_NAMES = st.sets(st.sampled_from("abcdef"), min_size=1)


@given(_NAMES, _NAMES)
def test_a_name_is_loaded_when_it_is_set_outside_the_guard(
    outside: set[str], inside: set[str]
) -> None:
    lines = [f"{name} = 1" for name in sorted(outside)]
    guarded = [f"    {name} = 2" for name in sorted(inside)]
    source = "\n".join([*lines, 'if __name__ == "__main__":', *guarded])
    script = Script(source.encode(), "app.py")

    assert script.defined == outside
    assert script.changed == inside
