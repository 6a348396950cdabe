"""Sweeps as job arrays, on a real Slurm."""

import json
from typing import Any

import pytest

from tests.slurm.trial import Trial, config

MANY = 100


def sweep(trial: Trial, configs: list[dict[str, Any]], **options: Any) -> list[dict[str, Any]]:
    """Results of a sweep in array mode, from a process of its own."""
    asked = {"mode": "array", "parallelism": MANY, **options}
    reply = trial.call("sweep", configs=configs, options=asked, timeout_s=400)
    assert reply.error is None, reply.message
    return list(reply.answer)


def spawn(trial: Trial, configs: list[dict[str, Any]], **options: Any) -> list[str]:
    """Run ids of a sweep in array mode that nobody waits for."""
    asked = {"mode": "array", "parallelism": MANY, **options}
    reply = trial.call("spawn_sweep", configs=configs, options=asked)
    assert reply.error is None, reply.message
    assert reply.answer["refused"] == {}
    return list(reply.answer["run_ids"])


def values(*numbers: float) -> list[dict[str, Any]]:
    return [config("quick", value=number) for number in numbers]


def arrays(trial: Trial) -> set[str]:
    """The arrays that Slurm knows of this trial."""
    return {job.partition("_")[0] for job in trial.jobs()}


def jobs_tool(trial: Trial, *arguments: str) -> dict[str, Any]:
    """What `tmgg-jobs ... --json` says, whatever its exit code."""
    done = trial.login.run("tmgg-jobs", *arguments, "--json", check=False, timeout_s=200)
    assert done.stdout, done.stderr
    return dict(json.loads(done.stdout))


@pytest.mark.smoke
def test_a_sweep_is_one_sbatch_with_one_result_for_each_config_in_order(trial: Trial) -> None:
    results = sweep(trial, [*values(*range(5)), config("fail")])
    assert [result["metrics"] for result in results] == [*({"value": x} for x in range(5)), {}]
    assert [result["status"] for result in results] == ["completed"] * 5 + ["failed"]
    (array,) = arrays(trial)
    assert [result["job_id"] for result in results] == [f"{array}_{index}" for index in range(6)]


def test_an_elements_files_are_those_of_any_run(trial: Trial) -> None:
    (run_id,) = spawn(trial, values(1.0))
    assert trial.result(run_id)["status"] == "completed"
    files = trial.files(run_id)
    assert files.run_paths.folder.stat().st_mode & 0o777 == 0o700
    assert json.loads(files.run_paths.run.read_text())["run_id"] == run_id
    assert json.loads(files.run_paths.task.read_text())["run_id"] == run_id
    assert files.run_paths.task.stat().st_mode & 0o777 == 0o600
    assert "TMGG_RESULT:" in files.run_paths.stdout.read_text()
    assert f"submission 1, restart 0, job {files.owner.read_text().strip()}" in (
        files.run_paths.stderr.read_text()
    )


def test_every_run_is_there_for_all_commands_before_it_has_begun(trial: Trial) -> None:
    held, *waiting = spawn(trial, [config("hold", x=1), *values(2, 3, 4)], parallelism=1)
    trial.wait_for_starts(held, 1)
    sweep_id = held.removesuffix("-0")
    listed = jobs_tool(trial, "list", "--sweep", sweep_id)["runs"]
    assert [run["status"] for run in listed] == ["running", "pending", "pending", "pending"]
    assert not any(trial.files(run_id).run_paths.folder.exists() for run_id in waiting)
    assert jobs_tool(trial, "show", waiting[0])["status"] == "pending"
    # Slurm gives the reason in its next scheduling pass.
    trial.wait_until(
        lambda: "JobArrayTaskLimit" in str(jobs_tool(trial, "explain", waiting[0])), "the reason"
    )
    assert jobs_tool(trial, "cancel", waiting[1])["runs"][0]["cancelled"]
    trial.go()
    waited = jobs_tool(trial, "wait", sweep_id)["runs"]
    assert [run["status"] for run in waited] == ["completed", "completed", "failed", "completed"]
    again = jobs_tool(trial, "retry", "--wait", waiting[1])["runs"]
    assert [run["status"] for run in again] == ["completed"]
    results = jobs_tool(trial, "collect", sweep_id)["results"]
    assert [result["run_id"] for result in results] == [held, *waiting]
    assert [result["status"] for result in results] == ["completed"] * 4
    assert jobs_tool(trial, "gc", "--older-than", "0s", "--yes")["removed"]
    assert jobs_tool(trial, "list", "--all")["runs"] == []
    for name in (".batches", ".sweeps"):
        assert list((trial.login.host_folder / "slurm_outputs" / name).iterdir()) == []


def test_no_more_than_parallelism_run_at_once(trial: Trial) -> None:
    run_ids = spawn(trial, [config("hold", x=number) for number in range(5)], parallelism=2)
    trial.wait_until(lambda: sum(len(trial.starts(each)) for each in run_ids) >= 2, "2 starts")
    states = [trial.state(run_id)["status"] for run_id in run_ids]
    assert sorted(states) == ["pending"] * 3 + ["running"] * 2
    trial.go()
    assert [trial.result(run_id)["status"] for run_id in run_ids] == ["completed"] * 5


def test_an_element_that_is_requeued_runs_again_as_the_same_run(trial: Trial) -> None:
    first, second = spawn(trial, [config("hold_at_first", x=1), config("quick")])
    trial.wait_for_starts(first, 1)
    job_id = trial.state(first)["job_id"]
    trial.login.run("scontrol", "requeue", job_id)
    result = trial.result(first)
    assert (result["status"], result["attempts"]) == ("completed", 2), result
    assert result["metrics"]["attempt"] == 2
    assert trial.result(second)["status"] == "completed"


def test_a_sweep_whose_launcher_is_killed_goes_on_and_is_collected_elsewhere(trial: Trial) -> None:
    configs = [config("hold", value=float(number)) for number in range(6)]
    options = {"mode": "array", "parallelism": MANY}
    launcher = trial.start("sweep", configs=configs, options=options)
    trial.wait_until(lambda: len(starts(trial)) >= 2, "two starts")
    with launcher:
        launcher.kill_group()
    (record,) = (trial.login.host_folder / "slurm_outputs" / ".sweeps").iterdir()
    trial.go()
    waited = jobs_tool(trial, "wait", record.stem)
    assert len(waited["runs"]) == 6
    results = jobs_tool(trial, "collect", record.stem)["results"]
    assert [result["metrics"]["value"] for result in results] == list(range(6))


def test_runs_that_a_killed_launcher_had_not_submitted_are_known_and_can_be(trial: Trial) -> None:
    configs = [config("hold", value=float(number)) for number in range(4)]
    launcher = trial.start("sweep", configs=configs, options={"mode": "separate", "parallelism": 1})
    trial.wait_until(lambda: len(starts(trial)) == 1, "a start")
    with launcher:
        launcher.kill_group()
    (record,) = (trial.login.host_folder / "slurm_outputs" / ".sweeps").iterdir()
    trial.go()
    waited = jobs_tool(trial, "wait", record.stem)["runs"]
    assert [run["status"] for run in waited] == ["completed", "failed", "failed", "failed"]
    assert "the launcher of the sweep ended before" in waited[1]["failure"]["message"]
    again = jobs_tool(trial, "retry", "--wait", record.stem)["runs"]
    assert [run["status"] for run in again] == ["completed"] * 3


def starts(trial: Trial) -> list[str]:
    try:
        return trial.login.read("starts.log").splitlines()
    except FileNotFoundError:
        return []
