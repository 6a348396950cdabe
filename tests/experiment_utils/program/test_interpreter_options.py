"""A Python that was started with this one's options is like this one."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from tmgg.experiment_utils.program import interpreter_options as module
from tmgg.experiment_utils.program.interpreter_options import interpreter_options

LOOK = f"""
import json, runpy, subprocess, sys
options = runpy.run_path({str(Path(module.__file__))!r})["interpreter_options"]()
pythons_own = getattr(subprocess, "_args_from_interpreter_flags", list)()
names = [name for name in dir(sys.flags) if not name.startswith(("_", "n_"))]
flags = {{name: getattr(sys.flags, name) for name in names if name not in ("count", "index")}}
print(json.dumps([options, pythons_own, flags, sys.warnoptions, sys._xoptions]))
"""
# They say where modules are looked for, or are for a person at a terminal.
LEFT_OUT = {
    "-I": "isolated", "-E": "ignore_environment", "-s": "no_user_site", "-S": "no_site",
    "-P": "safe_path", "-i": "inspect", "-q": "quiet",
}  # fmt: skip
WARNINGS = (
    "error", "default", "ignore::DeprecationWarning", "error::UserWarning", "always",
    "error::BytesWarning", "default::BytesWarning", "ignore:it's $HOME:UserWarning:a.b:3",
)  # fmt: skip
X_OPTIONS = (
    "dev", "faulthandler", "utf8", "utf8=0", "int_max_str_digits=5000", "tracemalloc=3",
    "no_debug_ranges", "pycache_prefix=/tmp/a b", "my_own", "my_own=x=y", "frozen_modules=off",
)  # fmt: skip
VARIABLES = {
    "PYTHONOPTIMIZE": "1",
    "PYTHONWARNINGS": "error::UserWarning,default",
    "PYTHONDEVMODE": "1",
    "PYTHONDONTWRITEBYTECODE": "1",
}
WITHOUT = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}

words = st.lists(
    st.one_of(
        # Not -i, which waits for a person.
        st.sampled_from(
            ["-O", "-OO", "-b", "-bb", "-B", "-u", "-d", *sorted({*LEFT_OUT} - {"-i"})]
        ),
        st.sampled_from(WARNINGS).map("-W{}".format),
        st.sampled_from(X_OPTIONS).map("-X{}".format),
    ),
    max_size=6,
)


def look(given: list[str], variables: dict[str, str]) -> list[Any]:
    """What a Python says of itself."""
    ended = subprocess.run(
        [sys.executable, *given, "-c", LOOK],
        env=WITHOUT | variables, capture_output=True, text=True, timeout=60, check=True,
    )  # fmt: skip
    found: list[Any] = json.loads(ended.stdout)
    return found


def flags_that_count(flags: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in flags.items() if name not in LEFT_OUT.values()}


@settings(max_examples=20, deadline=None)
@given(words, st.sets(st.sampled_from(sorted(VARIABLES))), st.booleans())
@example(["-OO", "-bb", "-Wdefault", "-Werror::BytesWarning", "-Xdev"], set(), False)
@example(["-b", "-Xdev", "-Werror"], set(VARIABLES), False)
@example(["-b", "-Wdefault::BytesWarning", "-Werror"], set(), False)
@example(["-Xutf8", "-Xutf8=0"], set(), False)
@example([], set(VARIABLES), True)
def test_a_python_with_these_options_is_like_the_one_that_told_them(
    given_words: list[str], names: set[str], travel: bool
) -> None:
    # The variables travel with a job, as on Slurm, or not, as on Ray.
    variables = {name: VARIABLES[name] for name in names}
    is_deaf = bool({"-I", "-E"} & set(given_words))
    options, _pythons_own, flags, warnings, x_options = look(given_words, variables)

    again = look(options, variables if travel and not is_deaf else {})

    assert flags_that_count(again[2]) == flags_that_count(flags)
    assert again[3] == warnings
    assert again[4] == x_options | ({"dev": True} if flags["dev_mode"] else {})
    assert again[0] == options


@settings(max_examples=20, deadline=None)
@given(words)
@example(["-OO", "-bb", "-B", "-d", "-Werror", "-Xdev", "-Xutf8=0", "-Xtracemalloc=3"])
def test_all_that_python_hands_to_its_own_children_is_there(given_words: list[str]) -> None:
    options, pythons_own, *_rest = look(given_words, {})

    its = re.sub(r"-X\n", "-X", "\n".join(pythons_own)).split("\n") if pythons_own else []
    assert {each for each in its if each[:2] not in LEFT_OUT} <= {*options}


def test_a_python_without_options_has_none() -> None:
    assert look([], {})[0] == []


def test_what_user_code_does_to_the_list_of_warnings_does_no_harm(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(sys, "warnoptions", [])

    assert not [each for each in interpreter_options() if each.startswith("-W")]
