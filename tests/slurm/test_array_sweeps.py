"""Sweeps as job arrays, on a real Slurm."""

from typing import Any

from tests.slurm.trial import Trial, config


def sweep(trial: Trial, configs: list[dict[str, Any]], **options: Any) -> list[dict[str, Any]]:
    """Results of a sweep in array mode, from a process of its own."""
    asked = {"mode": "array", "parallelism": 100, **options}
    reply = trial.call("sweep", configs=configs, options=asked, timeout_s=300)
    assert reply.error is None, reply.message
    return list(reply.answer)


def test_a_sweep_is_one_sbatch_with_one_result_for_each_config_in_order(trial: Trial) -> None:
    results = sweep(trial, [config("quick", x=number) for number in range(6)])
    assert [result["config"]["x"] for result in results] == list(range(6))
    assert [result["status"] for result in results] == ["completed"] * 6, results
