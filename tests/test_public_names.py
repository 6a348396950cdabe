"""What `import tmgg` offers, that it stays so, and that it costs nothing."""

import ast
import inspect
import subprocess
import sys

import pytest

import tmgg

HEAVY = ("torch", "ray", "hydra", "omegaconf", "cloudpickle", "rich", "asyncio", "dataclasses")


def test_the_public_names_are_these() -> None:
    assert set(tmgg.__all__) == {
        "CloudRunner", "ConfigError", "ExperimentResult", "LocalConfig", "LocalRunner",
        "MissingExtraError", "RunContext", "RunFailedError", "RunFuture", "RunNode", "SlurmConfig",
        "SlurmRunner", "StoppedEarlyError", "SubmissionError", "TaskError", "TaskRequest",
        "TmggError", "Worker", "__version__", "compose_config", "current_run", "load",
        "make_runner", "train_on_all_nodes",
    }  # fmt: skip
    assert set(tmgg.__all__) <= set(dir(tmgg))


@pytest.mark.parametrize("name", [name for name in tmgg.__all__ if name != "__version__"])
def test_each_is_there_under_its_own_name(name: str) -> None:
    assert getattr(tmgg, name).__name__ == name


def test_type_checkers_see_each_of_them() -> None:
    seen = {
        alias.name
        for node in ast.walk(ast.parse(inspect.getsource(tmgg)))
        if isinstance(node, ast.ImportFrom) and str(node.module).startswith("tmgg.")
        for alias in node.names
    }
    assert seen == {*tmgg.__all__} - {"__version__"}


def test_another_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="has no attribute 'curent_run'"):
        tmgg.curent_run  # noqa: B018


def test_importing_it_loads_nothing() -> None:
    code = f"import sys, tmgg; print([name for name in {HEAVY!r} if name in sys.modules])"
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60
    )
    assert done.stdout == "[]\n"


def test_an_experiment_outside_a_run_has_none() -> None:
    assert tmgg.current_run() is None
