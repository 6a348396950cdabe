"""CPU time and memory on record are those that an experiment used on purpose, within 5 %."""

import json
from pathlib import Path
from typing import Any

import pytest

from tests.slurm.login import PYTHON, Login
from tests.slurm.trial import SMALL

pytestmark = [pytest.mark.long, pytest.mark.timeout(900)]

SCRIPT = Path(__file__).parent / "steady.py"
WITHIN = 0.05
SETTINGS: dict[str, Any] = SMALL | {"mem_per_cpu": "2500MB"}
RAY: dict[str, Any] = SETTINGS | {"ray_bootstrap": "managed", "cpus_per_task": 2}
RUN = """
import json
from tmgg.experiment_utils.cloud import SlurmConfig, SlurmRunner
runner = SlurmRunner(SlurmConfig(**{settings!r}))
configs = [
    {{"experiment": {{"_target_": "steady:{experiment}"}}, "name": f"run{{n}}"}}
    for n in range({count})
]
results = runner.run_sweep(configs, mode={mode!r})
print(json.dumps([[x.run_id, x.status, x.error_message, x.metrics] for x in results]))
"""


def used(alice: Login, run_id: str) -> dict[str, Any]:
    shown = alice.run(str(PYTHON.parent / "tmgg-jobs"), "show", run_id, "--json")
    return dict(json.loads(shown.stdout)["used"])


def run_all(
    alice: Login, experiment: str, mode: str, count: int, settings: dict[str, Any]
) -> list[tuple[str, dict[str, float]]]:
    """The runs with what they say that they used."""
    alice.write("steady.py", SCRIPT.read_text())
    code = RUN.format(settings=settings, experiment=experiment, count=count, mode=mode)
    results = alice.python(code, timeout_s=600)
    assert [status for _run_id, status, _error, _metrics in results] == ["completed"] * count, (
        results
    )
    return [(run_id, metrics) for run_id, _status, _error, metrics in results]


def check(shown: dict[str, Any], *, cpu_s: float, memory: float) -> None:
    print(
        f"CPU {shown['cpu_seconds']:.2f} of {cpu_s:.2f} s, "
        f"memory {shown['memory_peak_bytes'] / 1e6:.0f} of {memory / 1e6:.0f} MB"
    )
    assert shown["cpu_seconds"] == pytest.approx(cpu_s, rel=WITHIN)
    assert shown["memory_peak_bytes"] == pytest.approx(memory, rel=WITHIN)


@pytest.mark.parametrize(
    ("mode", "count", "settings"),
    [
        ("separate", 1, SETTINGS),
        ("array", 2, SETTINGS),
        pytest.param("packed", 2, RAY | {"runs_per_node": 2}, marks=pytest.mark.ray),
    ],
)
def test_of_a_run_by_itself(alice: Login, mode: str, count: int, settings: dict[str, Any]) -> None:
    for run_id, told in run_all(alice, "alone", mode, count, settings):
        check(used(alice, run_id), cpu_s=told["cpu_s"], memory=told["memory"])


def test_of_two_ranks_cpu_time_is_the_sum_and_memory_that_of_one_node(alice: Login) -> None:
    settings = SETTINGS | {"nodes": 2, "tasks_per_node": 1}
    ((run_id, told),) = run_all(alice, "of_a_rank", "separate", 1, settings)
    cpu_s = sum(float(alice.read(f"run0.{rank}.cpu")) for rank in (0, 1))
    check(used(alice, run_id), cpu_s=cpu_s, memory=told["memory"])


@pytest.mark.ray
def test_of_a_run_with_ray_all_on_the_node_counts(alice: Login) -> None:
    ((run_id, told),) = run_all(alice, "in_ray", "separate", 1, RAY)
    check(used(alice, run_id), cpu_s=told["cpu_s"], memory=told["memory"])
