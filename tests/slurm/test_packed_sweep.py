"""Many runs in one allocation of the real cluster: each by itself, whatever the others do."""

import json
from typing import Any

import pytest

from slurm_cluster import Cluster, ClusterError
from slurm_cluster.cgroups import require_memory_controller
from tests.slurm.login import PYTHON, Login
from tests.slurm.outages import memory_limits, power_off
from tests.slurm.trial import SMALL, Reply, Trial, config, new_id
from tmgg.experiment_utils.run_folder.paths import BatchPaths

PACKED: dict[str, Any] = {
    **SMALL,
    "nodes": 1,
    "cpus_per_task": 2,
    "runs_per_node": 2,
    "ray_bootstrap": "managed",
    "sweep_mode": "packed",
}
THREE_NODES = {"nodes": 3, "nodelist": "node[1-3]"}


@pytest.fixture
def packed(alice: Login) -> Trial:
    return Trial(alice, settings=dict(PACKED))


class Sweep:
    """Runs with ids of their own, by their number."""

    def __init__(self, trial: Trial, *runs: tuple[str, dict[str, Any]], **slurm: Any) -> None:
        self.trial, self.slurm, self.name = trial, slurm, new_id()
        self.configs = [
            {"run_id": self.run_id(number), "config": config(experiment, **values)}
            for number, (experiment, values) in enumerate(runs)
        ]

    def run_id(self, number: int) -> str:
        return f"{self.name}-{number}"

    def run(self, **options: Any) -> list[dict[str, Any]]:
        return answer(
            self.trial.call(
                "sweep", configs=self.configs, options=options, slurm=self.slurm, timeout_s=280
            )
        )

    def start(self) -> Any:
        return self.trial.start("sweep", configs=self.configs, options={}, slurm=self.slurm)

    def started(self, *numbers: int) -> None:
        for number in numbers:
            self.trial.wait_for_starts(self.run_id(number), 1, timeout_s=120)

    def starts(self) -> list[int]:
        """How often each run was started."""
        return [len(self.trial.starts(self.run_id(number))) for number in range(len(self.configs))]

    def node(self, number: int) -> str:
        return self.trial.starts(self.run_id(number))[-1].split()[3]

    def job_log(self) -> str:
        folder = self.trial.login.host_folder / "slurm_outputs" / BatchPaths.FOLDER_NAME
        return "\n".join(path.read_text() for path in sorted(folder.glob("*/logs/job.err")))


def answer(reply: Reply) -> list[dict[str, Any]]:
    assert reply.error is None, reply.message
    return list(reply.answer)


def outcomes(results: list[dict[str, Any]]) -> list[str]:
    """`completed`, or the kind of the failure."""
    return [each["failure"]["kind"] if each["failure"] else each["status"] for each in results]


@pytest.mark.smoke
def test_each_run_has_its_own_end_in_a_job_that_all_share(packed: Trial) -> None:
    sweep = Sweep(
        packed,
        ("quick", {"value": 1}),
        ("fail", {}),
        ("exit_process", {"code": 3}),
        ("kill_itself", {"signal": 9}),
        ("text", {}),
        ("hold", {}),
        *[("quick", {"value": number}) for number in range(6, 12)],
        **THREE_NODES,
    )
    results = sweep.run(timeout_seconds=15)
    assert outcomes(results) == [
        "completed", "user_error", "user_error", "user_error", "bad_result", "timeout",
        *["completed"] * 6,
    ]  # fmt: skip
    assert [each["metrics"]["value"] for each in results[6:]] == list(range(6, 12))
    assert "exit code 3" in results[2]["error_message"]
    assert "SIGKILL" in results[3]["error_message"]
    assert sweep.starts() == [1] * 12
    assert len(packed.jobs()) == 1
    assert {each["job_id"] for each in results} == set(packed.jobs())


@pytest.mark.long
def test_a_run_sees_itself_as_one_process_not_as_a_task_of_several(packed: Trial) -> None:
    names = ["SLURM_NTASKS", "SLURM_PROCID", "SLURM_NNODES", "SLURM_JOB_ID", "TMGG_RAY_ADDRESS",
             "RAY_ADDRESS", "SLURMD_NODENAME", "OMP_NUM_THREADS"]  # fmt: skip
    sweep = Sweep(packed, *[("environment", {"names": names})] * 3, **THREE_NODES)
    there = {"SLURM_JOB_ID", "SLURMD_NODENAME", "OMP_NUM_THREADS"}
    for result in sweep.run():
        assert {name for name, value in result["metrics"].items() if value} == there


@pytest.mark.long
def test_one_run_is_cancelled_and_the_others_go_on(packed: Trial) -> None:
    sweep = Sweep(packed, *[("hold", {})] * 4)
    waiting = sweep.start()
    sweep.started(0, 1)
    assert packed.call("cancel", sweep.run_id(0)).answer is True
    assert packed.call("cancel", sweep.run_id(3)).answer is True
    state = packed.call("state", sweep.run_id(3)).answer
    assert (state["status"], state["failure"]["kind"]) == ("failed", "cancelled")
    sweep.started(2)  # in the place that became free
    packed.go()
    results = answer(packed.finish(waiting))
    assert outcomes(results) == ["cancelled", "completed", "completed", "cancelled"]
    assert sweep.starts() == [1, 1, 1, 0]


@pytest.mark.long
def test_cancelling_all_runs_takes_the_job_from_the_queue(packed: Trial) -> None:
    packed.settings |= {"extra_args": ["--begin=now+1hour"]}
    sweep = Sweep(packed, *[("hold", {})] * 3)
    packed.call("spawn_sweep", configs=sweep.configs, options={})
    for number in range(3):
        assert packed.call("status", sweep.run_id(number)).answer == "pending"
        assert packed.call("cancel", sweep.run_id(number)).answer is True
    (job,) = packed.jobs()
    packed.wait_for_slurm(job, "CANCELLED")
    assert sweep.starts() == [0, 0, 0]


@pytest.mark.long
def test_a_job_ended_in_the_middle_is_resumed_with_what_is_left(packed: Trial) -> None:
    sweep = Sweep(packed, ("quick", {}), ("quick", {"value": 2}), *[("hold", {})] * 4)
    waiting = sweep.start()
    sweep.started(0, 1, 2, 3)
    (job,) = packed.jobs()
    packed.login.run("scancel", job)
    results = answer(packed.finish(waiting))
    assert outcomes(results) == ["completed", "completed", *["cancelled"] * 4]
    assert sweep.starts() == [1, 1, 1, 1, 0, 0]
    packed.go()
    assert outcomes(sweep.run(resume=True)) == ["completed"] * 6
    assert sweep.starts() == [1, 1, 2, 2, 1, 1]


@pytest.mark.long
def test_the_runs_of_a_node_that_dies_run_on_the_others(packed: Trial, cluster: Cluster) -> None:
    sweep = Sweep(packed, *[("hold", {})] * 6, **THREE_NODES)
    waiting = sweep.start()
    sweep.started(*range(6))
    assert sorted(map(sweep.node, range(6))) == [f"node{n}" for n in (1, 1, 2, 2, 3, 3)]
    dying = next(n for n in range(6) if sweep.node(n) not in (_batch_node(packed), ""))
    node = sweep.node(dying)
    lost = [number for number in range(6) if sweep.node(number) == node]
    with power_off(cluster, node):
        packed.go()
        results = answer(packed.finish(waiting, timeout_s=200))
    assert outcomes(results) == ["completed"] * 6, sweep.job_log()
    assert [results[number]["attempts"] for number in lost] == [2, 2]
    assert all(sweep.node(number) != node for number in lost)
    assert len(packed.jobs()) == 1


@pytest.mark.long
def test_what_the_time_limit_leaves_goes_into_another_job(packed: Trial) -> None:
    slurm = {"time_limit": "00:01:00", "runs_per_node": 1}
    sweep = Sweep(packed, *[("sleep", {"seconds": 10})] * 6, **slurm)
    # The run that is under way when the time is over may be cut off.
    results = sweep.run(policy={"retry_kinds": ["timeout"]})
    assert outcomes(results) == ["completed"] * 6, sweep.job_log()
    assert len(packed.jobs()) > 1
    assert sum(sweep.starts()) <= 6 + len(packed.jobs()) - 1


@pytest.mark.long
def test_what_the_time_limit_leaves_is_said_when_nothing_is_tried_again(packed: Trial) -> None:
    slurm = {"time_limit": "00:01:00", "runs_per_node": 1}
    sweep = Sweep(packed, ("sleep", {"seconds": 200}), ("quick", {}), **slurm)
    results = sweep.run(policy={"retries": 0})
    assert outcomes(results) == ["timeout", "not_started"]
    assert "slurm_time_limit" in results[1]["error_message"]
    assert sweep.starts() == [1, 0]


@pytest.mark.long
def test_an_environment_without_ray_is_told_for_each_run(packed: Trial) -> None:
    sweep = Sweep(packed, ("quick", {}), ("quick", {}), setup_commands=["echo oh; false"])
    results = sweep.run(policy={"retries": 0})
    assert outcomes(results) == ["environment"] * 2
    assert "setup command failed" in results[0]["error_message"]


def _batch_node(trial: Trial) -> str:
    (job,) = trial.jobs()
    shown = trial.login.run("squeue", "--noheader", "--format=%B", f"--jobs={job}")
    return shown.stdout.strip()


@pytest.mark.long
def test_a_job_that_slurm_starts_again_goes_on_where_it_was(packed: Trial) -> None:
    sweep = Sweep(packed, ("quick", {}), ("exit_process", {"code": 3}), *[("hold", {})] * 3,
                  requeue=True)  # fmt: skip
    waiting = sweep.start()
    sweep.started(0, 1, 2, 3)
    (job,) = packed.jobs()
    packed.login.run("scontrol", "requeue", job)
    packed.wait_for_slurm(job, "PENDING", timeout_s=90)
    packed.go()
    results = answer(packed.finish(waiting, timeout_s=250))
    assert outcomes(results) == ["completed", "user_error", *["completed"] * 3], sweep.job_log()
    assert sweep.starts() == [1, 1, 2, 2, 1]
    assert [each["attempts"] for each in results] == [1, 1, 2, 2, 2]


@pytest.mark.long
def test_a_packed_run_is_retried_by_itself_as_a_job_of_one_node(packed: Trial) -> None:
    sweep = Sweep(packed, ("hold", {}), ("quick", {}), **THREE_NODES)
    waiting = sweep.start()
    sweep.started(0)
    packed.call("cancel", sweep.run_id(0))
    assert outcomes(answer(packed.finish(waiting))) == ["cancelled", "completed"]
    packed.go()
    assert packed.call("retry", sweep.run_id(0)).error is None
    result = packed.call("result", sweep.run_id(0)).answer
    assert (result["status"], result["attempts"]) == ("completed", 2)
    script = packed.files(sweep.run_id(0), 2).script.read_text()
    assert "#SBATCH --nodes=1\n" in script
    assert "ray" not in script.partition("# No Ray")[2].replace("array", "")


@pytest.mark.long
def test_a_run_that_takes_the_jobs_memory_is_the_one_that_is_killed(
    packed: Trial, cluster: Cluster
) -> None:
    try:
        require_memory_controller()
    except ClusterError as error:
        pytest.skip(str(error))
    with memory_limits(cluster):
        runs = [("quick", {}), ("allocate", {"megabytes": 4000}), *[("quick", {})] * 3]
        sweep = Sweep(packed, *runs, mem_per_cpu="1GB", runs_per_node=1)
        results = sweep.run()
    kinds = ["completed", "out_of_memory", *["completed"] * 3]
    assert outcomes(results) == kinds, sweep.job_log()
    assert len(packed.jobs()) == 1


@pytest.mark.long
def test_the_hours_of_the_report_are_what_the_job_held(packed: Trial) -> None:
    sweep = Sweep(packed, *[("quick", {}) for _ in range(5)])
    sweep.run()
    login, job = packed.login, packed.jobs()[-1]
    told = login.run(str(PYTHON.parent / "tmgg-jobs"), "report", sweep.name, "--json").stdout
    hours = json.loads(told)["hours"]
    assert hours["is_unfilled_known"]
    assert hours["unfilled"] > 0
    parts = ("busy", "idle", "startup", "failed", "unfilled")
    counted = login.run("sacct", "-X", "-n", "-j", str(job), "-o", "CPUTimeRAW").stdout.split()
    # The job's own marks are a second or two within what Slurm counts, on two CPUs.
    assert 3600 * sum(hours[part] for part in parts) == pytest.approx(int(counted[-1]), abs=10)
