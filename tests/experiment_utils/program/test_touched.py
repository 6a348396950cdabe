"""What the main program of a script may have changed in place, told from its source."""

import ast
from pathlib import Path

import pytest

from tmgg.experiment_utils.program.script import Script
from tmgg.experiment_utils.program.touched import Touched, attributes_touched

SOURCE = """
from settings import cfg
from lib import registry, helper
import hydra, typer
A = {}; B = []; C = dict(a=1); D = Net(); E = {}; F = {}; G = {}; H = {}; I = {}
app = typer.Typer()
COMMANDS = {"set": set_up}

def set_up(E):
    A["lr"] = 1
    cfg.a.b = 2
    E["own"] = 1
    helper(registry)
    if F is None:
        inner()

def inner():
    G = 1
    def innermost():
        B.append(G)
    return innermost

def train(x):
    return D(x) + H["x"]

@app.command()
def command():
    C.update(a=2)

def inspect(x):
    print(A, len(B), A == B)

class Model:
    def fit(self):
        I["x"] = 1
"""


def found(guarded: str, more: str = "") -> Touched:
    source = f"{SOURCE}{more}\nif __name__ == '__main__':\n    {guarded}\n"
    return Script(source.encode(), "app.py").touched


@pytest.mark.parametrize(
    ("guarded", "names"),
    [
        ("set_up({})", "A B cfg"),
        ("COMMANDS[name]({})", "A B COMMANDS cfg"),
        ("app()", "C app"),
        ("Model().fit()", "I"),
        ("inspect(1)", ""),
        ("train(1)", "D H"),
        ("runner.submit(train, 1)", ""),
        ("runner.map(functools.partial(train, 1), [1])", ""),
        ("runner.map(lambda x: D(x), xs)", ""),
        ("executor_of(train)", "D H"),
        ("hydra.main(version_base=None)(train)()", ""),
        ("pass", ""),
    ],
)
def test_it_is_what_functions_mention_to_which_the_guarded_part_leads(
    guarded: str, names: str
) -> None:
    assert found(guarded) == Touched(frozenset(names.split()), is_any_bound=False)


def test_the_task_function_of_a_hydra_app_runs_in_its_jobs() -> None:
    task = "@hydra.main(version_base=None)\ndef main(cfg):\n    A['x'] = train(cfg)\n"

    assert found("main()", task).names == frozenset()
    assert found("set_up({}); main()", task).names == {"A", "B", "cfg"}


def set_by(guarded: str, loading: str) -> frozenset[str]:
    body, parts = (ast.parse(each).body for each in (loading, guarded))
    return attributes_touched(body, parts)


def test_attributes_are_set_by_the_guarded_part_and_by_the_functions_to_which_it_leads() -> None:
    loading = """
class Config:
    @classmethod
    def load(cls): cls.rate = 1
def put(c): c.depth = 1
def work(): Config.width = 1
Config.table = {}
"""
    assert set_by("Config.load()", loading) == {"rate"}
    assert set_by("put(x)\nx.name = 'a'", loading) == {"depth", "name"}
    assert set_by("runner.submit(work)", loading) == frozenset()


def test_names_may_be_computed() -> None:
    computing = "def configure(name):\n    globals()[name] = 1\n"

    touched = found("configure('A')", computing)

    assert touched.is_any_bound
    assert {*"ABCDEFGHI"} <= touched.names


def test_literals_are_values_of_names_that_are_bound_once() -> None:
    source = (
        "A = {'x': [1]}\nB = 1\nB = 2\nC = f()\nD: int = 3\nE = 1\nif x:\n    E = 2\nF, G = 1, 2"
    )

    assert Script(source.encode(), "app.py").literals == {"A": {"x": [1]}, "D": 3}


def test_every_statement_of_python_can_be_looked_at() -> None:
    for module in (ast, pytest):
        source = Path(module.__file__ or "").read_bytes()
        source += b"\nif __name__ == '__main__':\n    main()\n"
        assert not Script(source, "app.py").touched.is_any_bound


@pytest.mark.parametrize(
    "call",
    [
        "ThreadPoolExecutor(2).map(set_up, [{}])",
        "with ThreadPoolExecutor() as pool: pool.submit(set_up, {})",
        "pool = futures.ThreadPoolExecutor(); pool.map(set_up, [{}])",
        "self.pool = ThreadPool(2); self.pool.map(set_up, [{}])",
    ],
)
def test_what_threads_of_this_process_run_counts(call: str) -> None:
    assert "A" in found(call).names


@pytest.mark.parametrize(
    "call", ["runner.map(set_up, [{}])", "ProcessPoolExecutor().map(set_up, [{}])"]
)
def test_what_other_processes_run_does_not_count(call: str) -> None:
    assert "A" not in found(call).names
