"""What loading a script has made counts if a function uses it; another launch of it does not."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

SCRIPT = """
import argparse, dataclasses, enum, functools, json, sys, threading
from tmgg.experiment_utils.calls.packing import CallPacker

parser = argparse.ArgumentParser()
parser.add_argument("--rate", type=float, default=0.1)
parser.add_argument("--quiet", action="store_true")

def parsed():
    return parser.parse_known_args()[0]

RATE = parsed().rate
CFG = {"rates": {RATE, "a", "b", "c"}}
SCHEDULE = functools.partial(max, RATE)
CHOSEN = min if RATE < 0.15 else max
WRITTEN = 0.1
LARGE = list(range(200_000))
lock = threading.Lock()

def plain(x): return RATE
def indirect(x): return plain(x)
def through_a_dict(x): return CFG["rates"]
def through_a_partial(x): return SCHEDULE(x)
def chosen(x): return CHOSEN(x)
def default(x, rate=RATE): return rate
def keyword(x, *, cfg=CFG): return cfg
def mutable(x, found=[]): return found

def with_rate(rate):
    def decorate(function):
        @functools.wraps(function)
        def inner(x): return function(x) * rate
        return inner
    return decorate

@with_rate(RATE)
def decorated(x): return x

class Base:
    rate = RATE

class Trainer(Base):
    def __call__(self, x): return self.rate
    def train(self, x): return self.rate
    class Inner:
        cfg = CFG

class Shown:
    shown = 1

class Kind(enum.Enum):
    FAST = RATE

@dataclasses.dataclass
class Options:
    rate: float = RATE
    steps: int = 5

def made(x): return Trainer
def kind(x): return Kind.FAST
def options(x): return Options()
def marked(x): return x
marked.rate = RATE

def argument(function, x): return function(x)
def given_an_object(it, x): return it

def written(x, step=0.1): return WRITTEN, Shown.shown
def locked(x):
    with lock: return x
def large(x): return LARGE
def reads(x): return sys.argv[1]
def parses(x): return parsed().rate

def main():
    args = parsed()
    calls = {name: (getattr(sys.modules["__main__"], name), 1) for name in sys.argv[-1].split(",")}
    calls["method"] = Trainer().train, 1
    calls["object"] = Trainer(), 1
    calls["given a function"] = argument, plain, 1
    calls["given an object"] = given_an_object, Options(1.0, 2), 1
    found = {name: CallPacker(function).pack(given, {}).identity.to_json()
             for name, (function, *given) in calls.items()}
    print(json.dumps(found))

if __name__ == "__main__":
    main()
"""
OF_LOADING = {
    "plain": "__main__.RATE",
    "indirect": "__main__.RATE",
    "through_a_dict": "__main__.CFG",
    "through_a_partial": "__main__.SCHEDULE",
    "chosen": "__main__.CHOSEN",
    "default": "__main__.default(rate)",
    "keyword": "__main__.keyword(cfg)",
    "decorated": "__main__.decorated(rate)",
    "made": "__main__.Base.rate",
    "kind": "__main__.Kind.FAST",
    "options": "__main__.Options.rate",
    "marked": "__main__.marked.rate",
    "method": "__main__.Base.rate",
    "object": "__main__.Trainer.Inner.cfg",
    "given a function": "__main__.RATE",
    "given an object": "__main__.Options.rate",
}
UNKNOWN = ("locked", "large")
READING = ("reads", "parses")
OTHERS = ("mutable", "written", *UNKNOWN, *READING)
OBJECTS = ("method", "object", "given a function", "given an object")
NAMES = ",".join(name for name in (*OF_LOADING, *OTHERS) if name not in OBJECTS)

Found = dict[str, Any]


def identities(script: Path, *arguments: str, cwd: Path | None = None, seed: str = "1") -> Found:
    """The identity of a call of each function, by its name."""
    done = subprocess.run(
        [sys.executable, str(script), *arguments, NAMES],
        cwd=cwd or script.parent, capture_output=True, text=True, timeout=120, check=False,
        env=os.environ | {"PYTHONHASHSEED": seed},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    found: Found = json.loads(done.stdout)
    return found


@pytest.fixture(scope="module")
def script(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("project") / "script.py"
    path.write_text(SCRIPT)
    return path


@pytest.fixture(scope="module")
def first(script: Path) -> Found:
    return identities(script, "--rate", "0.1")


@pytest.fixture(scope="module")
def other_rate(script: Path) -> Found:
    return identities(script, "--rate", "0.2", seed="2")


def same(one: Found, other: Found) -> set[str]:
    return {name for name in one if one[name]["key"] == other[name]["key"]}


def part_of(identity: Found, part: str) -> str:
    """Of a value that is sent with the call, or one that loading makes."""
    return str((identity["surroundings"] | identity["inputs"])[part])


def test_what_loading_computed_counts_whatever_holds_it(first: Found, other_rate: Found) -> None:
    assert same(first, other_rate) == {"mutable", "written"}
    for name, part in OF_LOADING.items():
        assert part_of(first[name], part) != part_of(other_rate[name], part)


def test_the_same_launch_is_the_same_in_another_process(script: Path, first: Found) -> None:
    assert same(first, identities(script, "--rate", "0.1", seed="2")) == {*first}


def test_another_flag_counts_only_where_the_command_line_may_matter(
    script: Path, first: Found
) -> None:
    quiet = identities(script, "--rate", "0.1", "--quiet")
    assert {*first} - same(first, quiet) == {*UNKNOWN, *READING}
    assert all("the command line" in quiet[name]["inputs"] for name in (*UNKNOWN, *READING))
    assert "--quiet" not in json.dumps(quiet)  # only a hash: there may be a password


def test_what_the_text_shows_is_the_version_of_the_code(script: Path, first: Found) -> None:
    text = SCRIPT
    for part in ("WRITTEN = 0.1", "shown = 1", "step=0.1", "steps: int = 5"):
        assert part in text
        text = text.replace(part, f"{part}2")
    try:
        script.write_text(text)
        edited = identities(script, "--rate", "0.1")
    finally:
        script.write_text(SCRIPT)
    assert same(first, edited) == {*first}
    assert first["written"]["source"] != edited["written"]["source"]


def test_the_folder_in_which_it_was_started_counts_as_seen_from_the_script(
    script: Path, first: Found, tmp_path: Path
) -> None:
    elsewhere = identities(script, "--rate", "0.1", cwd=tmp_path)
    assert same(first, elsewhere) == set()

    moved = tmp_path / "moved" / "script.py"
    moved.parent.mkdir()
    moved.write_text(SCRIPT)
    there = identities(moved, "--rate", "0.1")
    assert {name: each["inputs"] for name, each in there.items()} == {
        name: each["inputs"] for name, each in first.items()
    }
