"""Many runs in one allocation of the real cluster: each by itself, whatever the others do."""

from typing import Any

import pytest

from tests.slurm.trial import SMALL, Trial, config, new_id

PACKED: dict[str, Any] = {
    **SMALL,
    "nodes": 3,
    "nodelist": "node[1-3]",
    "cpus_per_task": 2,
    "runs_per_node": 2,
    "ray_bootstrap": "managed",
    "sweep_mode": "packed",
}


@pytest.fixture
def packed(alice: Any) -> Trial:
    return Trial(alice, settings=dict(PACKED))


def sweep_of(*runs: tuple[str, dict[str, Any]]) -> tuple[str, list[dict[str, Any]]]:
    """A sweep's id and its configs: experiments of `experiments.py` with their values."""
    sweep = new_id()
    configs = [
        {**config(name, **values), "run_id": f"{sweep}-{number}"}
        for number, (name, values) in enumerate(runs)
    ]
    return sweep, configs


def test_a_packed_sweep_is_one_job_with_a_result_for_each_run(packed: Trial) -> None:
    sweep, configs = sweep_of(
        ("quick", {"value": 1}), ("fail", {}), ("kill_itself", {"signal": 9}),
        ("quick", {"value": 2}), ("quick", {"value": 3}), ("text", {}),
    )  # fmt: skip
    reply = packed.call("sweep", configs=configs, timeout_s=240)
    assert reply.error is None, reply.message
    kinds = [(each["status"], (each["failure"] or {}).get("kind")) for each in reply.answer]
    assert kinds == [
        ("completed", None), ("failed", "user_error"), ("failed", "user_error"),
        ("completed", None), ("completed", None), ("failed", "bad_result"),
    ]  # fmt: skip
    assert reply.calls["sbatch"] == 1
    assert len(packed.jobs()) == 1
    assert sweep
