"""Ranks on a real cluster, and single processes that see nothing of Slurm's tasks."""

import json
import re
from pathlib import Path
from typing import Any

import pytest

from slurm_cluster import Cluster
from tests.slurm.login import PYTHON
from tests.slurm.outages import power_off, settings
from tests.slurm.trial import Trial, new_id
from tmgg.experiment_utils.job.slurm_step import is_of_a_step

SCRIPT = Path(__file__).parent / "ranked.py"
ENDS_WITHIN_S = 10


@pytest.fixture
def ranked(trial: Trial) -> Trial:
    trial.login.write("ranked.py", SCRIPT.read_text())
    return trial


def spawn(trial: Trial, experiment: str, slurm: dict[str, Any], **values: Any) -> str:
    config = {"experiment": {"_target_": f"ranked:{experiment}"}, **values}
    reply = trial.call("spawn", new_id(), config=config, slurm=slurm)
    assert reply.error is None, reply.message
    return str(reply.answer["run_id"])


def seen(trial: Trial, name: str = "seen", *, rank: int | str) -> dict[str, Any]:
    return dict(json.loads(trial.login.read(f"{name}.{rank}.json")))


def log(trial: Trial, run_id: str) -> str:
    paths = trial.files(run_id)
    logs = [paths.run_paths.stdout, paths.run_paths.stderr, *sorted(paths.ranks.glob("*/log"))]
    return "\n".join(f"== {path}\n{path.read_text()}" for path in logs if path.exists())


def check_failure(trial: Trial, run_id: str, *words: str, kind: str = "user_error") -> None:
    result = trial.result(run_id)
    said = log(trial, run_id)
    ended = json.loads(trial.files(run_id).ended.read_text())["ended_at"]
    failed = float(trial.login.read("failed_at"))
    assert result["failure"]["kind"] == kind, said
    for word in words:
        assert word in result["error_message"], said
    print(f"ended {ended - failed:.1f} s after the failure")
    assert ended - failed < ENDS_WITHIN_S


def test_torch_trains_from_its_own_variables_with_a_rank_on_each_of_two_nodes(
    ranked: Trial,
) -> None:
    run_id = spawn(ranked, "meet", {"nodes": 2, "tasks_per_node": 1})
    result = ranked.result(run_id)
    said = log(ranked, run_id)
    assert result["status"] == "completed", said
    assert result["metrics"] == {"sum": 3, "rank": 0}
    hosts = [seen(ranked, rank=rank)["node"] for rank in (0, 1)]
    assert len(set(hosts)) == 2
    assert result["nodes"] == hosts
    other = seen(ranked, rank=1)
    assert other["context"] == {
        "rank": 1, "world_size": 2, "first": False, "nodes": hosts,
        "resources": {"CPU": 2, "GPU": 0},
    }  # fmt: skip
    assert other["environment"]["SLURM_PROCID"] == other["environment"]["RANK"] == "1"
    assert re.fullmatch(r"[\d.]+", other["environment"]["MASTER_ADDR"])
    # Rank 0's log is the run's; every other rank has one of its own.
    run = ranked.files(run_id)
    assert "rank 0 prints" in run.run_paths.stdout.read_text()
    assert "rank 1 prints" not in run.run_paths.stdout.read_text()
    assert "rank 1 prints" in (run.ranks / "1" / "log").read_text()
    phases = [line.split()[0] for line in run.phases.read_text().splitlines()]
    assert phases.count("entrypoint_start") == phases.count("entrypoint_end") == 1


def test_ranks_beside_a_managed_ray_have_both_worlds(ranked: Trial) -> None:
    slurm = {"nodes": 2, "tasks_per_node": 2, "ray_bootstrap": "managed", "mem_per_cpu": "1GB"}
    run_id = spawn(ranked, "meet_beside_ray", slurm)
    result = ranked.result(run_id, timeout_s=240)
    said = log(ranked, run_id)
    assert result["status"] == "completed", said
    assert result["metrics"] == {"sum": 10, "rank": 0}
    found = [seen(ranked, rank=rank) for rank in range(4)]
    hosts = [one["node"] for one in found]
    assert hosts[0] == hosts[1] != hosts[2] == hosts[3]
    for rank, one in enumerate(found):
        names = ("SLURM_PROCID", "RANK", "LOCAL_RANK", "WORLD_SIZE", "SLURM_NTASKS")
        ranks = [str(rank), str(rank), str(rank % 2), "4", "4"]
        assert [one["environment"][name] for name in names] == ranks
        assert one["cpus"] >= 1
        assert one["cluster"]["CPU"] == 4
        # Named actors are the run's, and Ray's own processes are no ranks.
        assert one["board"] > 4
        assert [names for _, names in one["tasks"]] == [[]] * 8
    assert {node for one in found for node, _ in one["tasks"]} == set(hosts)
    phases = [line.split()[0] for line in ranked.files(run_id).phases.read_text().splitlines()]
    assert phases.index("ray_nodes_up") < phases.index("entrypoint_start")
    assert phases[-2:] == ["ray_end", "batch_end"]


@pytest.mark.parametrize(
    ("then", "kind", "words"),
    [
        ("raise", "user_error", ("ValueError: the loss is purple", "rank 1 of 2 on node1",
                                 'raise ValueError("the loss is purple")')),
        pytest.param("kill", "user_error", ("rank 1 of 2 on node1 was killed by SIGKILL",),
                     marks=pytest.mark.long),
        pytest.param("exit", "user_error", ("rank 1 of 2 on node1", "os._exit(0)"),
                     marks=pytest.mark.long),
        pytest.param("supervisor", "node_fail", ("rank 1 of 2 on node1 is gone",),
                     marks=pytest.mark.long),
        pytest.param("sys.exit", "user_error", ("rank 1 of 2 on node1", "sys.exit(3)"),
                     marks=pytest.mark.long),
        pytest.param("hang", "user_error", ("ValueError: the loss is purple",),
                     marks=pytest.mark.long),
    ],
)  # fmt: skip
def test_a_rank_that_dies_ends_the_run_with_its_own_words(
    ranked: Trial, then: str, kind: str, words: tuple[str, ...]
) -> None:
    slurm = {"tasks_per_node": 2, "nodelist": "node1"}
    run_id = spawn(ranked, "meet", slurm, then=then, who=1)
    check_failure(ranked, run_id, *words, kind=kind)
    shown = ranked.login.run(str(PYTHON), "-m", "tmgg.cli.jobs", "logs", run_id, "--rank", "1")
    assert "rank 1 prints" in shown.stdout


@pytest.mark.long
def test_a_rank_beside_ray_that_dies_ends_the_run_and_ray(ranked: Trial) -> None:
    slurm = {"nodes": 2, "tasks_per_node": 1, "ray_bootstrap": "managed", "cpus_per_task": 2}
    run_id = spawn(ranked, "meet_beside_ray", slurm, then="raise", who=1)
    check_failure(ranked, run_id, "rank 1 of 2 on node2", "ValueError: the loss is purple")


@pytest.mark.long
def test_rank_0_that_dies_ends_the_run_with_its_own_words(ranked: Trial) -> None:
    run_id = spawn(ranked, "meet", {"nodes": 2, "tasks_per_node": 2}, then="raise", who=0)
    check_failure(ranked, run_id, "rank 0 of 4 on node1", "ValueError: the loss is purple")


def test_one_process_sees_no_task_of_slurm(ranked: Trial) -> None:
    run_id = spawn(ranked, "look", {"cpus_per_task": 2})
    assert ranked.result(run_id)["status"] == "completed", log(ranked, run_id)
    check_alone(seen(ranked, rank="alone")["environment"], nodes=1)


@pytest.mark.long
@pytest.mark.parametrize("bootstrap", ["symmetric-run", "managed"])
def test_one_process_with_ray_and_rays_workers_see_no_task_of_slurm(
    ranked: Trial, bootstrap: str
) -> None:
    slurm = {"cpus_per_task": 2, "nodes": 2, "ray_bootstrap": bootstrap, "exclusive": True}
    run_id = spawn(ranked, "look", slurm, ray=True)
    assert ranked.result(run_id)["status"] == "completed", log(ranked, run_id)
    found = seen(ranked, rank="alone")
    check_alone(found["environment"], nodes=2)
    check_alone(found["worker"], nodes=2)


def check_alone(environment: dict[str, str], *, nodes: int) -> None:
    assert [name for name in environment if is_of_a_step(name)] == []
    assert environment["SLURM_JOB_ID"]
    assert environment["SLURM_JOB_NODELIST"].startswith("node")
    assert environment["SLURM_JOB_NUM_NODES"] == str(nodes)
    assert environment["SLURM_CPUS_PER_TASK"] == "2"
    assert "RANK" not in environment
    assert "WORLD_SIZE" not in environment


@pytest.mark.long
@pytest.mark.parametrize("environment", ["slurm", "lightning", "auto"])
@pytest.mark.parametrize(("nodes", "tasks"), [(1, 2), (2, 1)])
def test_lightning_trains_with_no_change(
    ranked: Trial, nodes: int, tasks: int, environment: str
) -> None:
    slurm = {"nodes": nodes, "tasks_per_node": tasks, "mem_per_cpu": "1GB"}
    values = {"devices": tasks, "num_nodes": nodes, "environment": environment}
    run_id = spawn(ranked, "fit", slurm, **values)
    result = ranked.result(run_id)
    assert result["status"] == "completed", log(ranked, run_id)
    assert result["metrics"] == {"world": 2, "rank": 0, "steps": 2}
    first, second = (seen(ranked, "fit", rank=rank) for rank in (0, 1))
    assert (first["rank"], second["rank"]) == (0, 1)
    assert first["weights"] == second["weights"]
    expected = "LightningEnvironment" if environment == "lightning" else "SLURMEnvironment"
    assert first["kind"] == second["kind"] == expected


@pytest.mark.long
def test_lightning_in_one_process_beside_ray_on_two_nodes_has_a_world_of_one(
    ranked: Trial,
) -> None:
    slurm = {"nodes": 2, "ray_bootstrap": "managed", "mem_per_cpu": "1GB"}
    run_id = spawn(ranked, "fit", slurm, devices=1, num_nodes=1, environment="auto")
    result = ranked.result(run_id)
    assert result["status"] == "completed", log(ranked, run_id)
    assert result["metrics"] == {"world": 1, "rank": 0, "steps": 4}


@pytest.mark.long
def test_lightning_starts_a_second_process_by_itself_in_a_run_of_one(ranked: Trial) -> None:
    slurm = {"cpus_per_task": 2, "mem_per_cpu": "1GB"}
    run_id = spawn(ranked, "fit", slurm, devices=2, num_nodes=1, environment="auto")
    result = ranked.result(run_id)
    said = log(ranked, run_id)
    assert "does not match" not in said
    assert result["metrics"].get("world", 2) == 2, said


@pytest.mark.long
def test_ranks_of_an_array_are_ranks_of_their_own_element(ranked: Trial) -> None:
    config = {"experiment": {"_target_": "ranked:meet"}}
    reply = ranked.call(
        "sweep",
        configs=[{**config, "x": 1}, {**config, "x": 2}],
        slurm={"nodes": 2, "tasks_per_node": 1},
        options={"mode": "array"},
        timeout_s=240,
    )
    assert reply.error is None, reply.message
    assert [one["status"] for one in reply.answer] == ["completed"] * 2
    assert [one["metrics"]["sum"] for one in reply.answer] == [3, 3]


@pytest.mark.long
@pytest.mark.parametrize(
    ("binding", "each", "expected"),
    [("auto", 1, ["0,1", "0,1"]), ("task", 1, ["0", "1"]), ("auto", 2, None)],
)
def test_gpus_are_those_of_the_node_or_of_the_rank(
    ranked: Trial, binding: str, each: int, expected: list[str] | None
) -> None:
    tasks = 2 if each == 1 else 1
    slurm = {"tasks_per_node": tasks, "gpus_per_task": each, "gpu_binding": binding}
    run_id = spawn(ranked, "meet", slurm)
    assert ranked.result(run_id)["status"] == "completed", log(ranked, run_id)
    found = [
        seen(ranked, rank=rank)["environment"]["CUDA_VISIBLE_DEVICES"] for rank in range(tasks)
    ]
    # Without cgroups for devices Slurm names a task's own by the node's numbers.
    assert found == (expected or ["0,1"])


@pytest.mark.long
@pytest.mark.timeout(600)
def test_a_preempted_training_of_two_ranks_ends_as_if_nothing_had_been(ranked: Trial) -> None:
    slurm = {"nodes": 2, "tasks_per_node": 1, "partition": "scavenge", "requeue": True}
    alone = spawn(ranked, "count", slurm, steps=200)
    expected = ranked.result(alone)["metrics"]
    ranked.login.write("steps.log", "")
    run_id = spawn(ranked, "count", slurm, steps=200, pace_s=0.1)
    waiting = ranked.start("result", run_id)
    ranked.wait_until(lambda: bool(ranked.login.read("steps.log")), "the first step", 90)
    argv = ["sbatch", "--partition=gpu", "--nodes=4", "--exclusive", "--output=/dev/null", "--wait"]
    ranked.login.run(*argv, "--wrap", "sleep 1")
    result = ranked.finish(waiting, timeout_s=300).answer
    assert result["status"] == "completed", log(ranked, run_id)
    assert result["attempts"] == 2
    assert result["metrics"]["attempt"] == 2
    assert result["metrics"]["first"] > 0
    assert result["metrics"]["weight"] == expected["weight"]


@pytest.mark.long
@pytest.mark.timeout(600)
@pytest.mark.parametrize("silent", [False, True])
def test_a_node_that_dies_ends_the_run_or_makes_it_run_elsewhere(
    ranked: Trial, cluster: Cluster, silent: bool
) -> None:
    with settings(cluster, SlurmdTimeout="10"):
        slurm = {"nodes": 2, "tasks_per_node": 1, "nodelist": "node1"}
        failing = spawn(ranked, "count", slurm | {"requeue": False}, steps=3000, pace_s=0.1)
        again = spawn(ranked, "count", slurm | {"requeue": True}, steps=300, pace_s=0.1)
        for run_id in (failing, again):
            begun = ranked.files(run_id).ranks / "1" / "phases"
            ranked.wait_until(begun.exists, "rank 1", 120)
        waiting = [ranked.start("result", run_id) for run_id in (failing, again)]
        with power_off(cluster, "node2", silent=silent):
            failed, completed = (ranked.finish(each, timeout_s=240).answer for each in waiting)
    assert failed["failure"]["kind"] == "node_fail", log(ranked, failing)
    assert completed["status"] == "completed", log(ranked, again)
    assert completed["attempts"] >= 2
    assert "node2" not in completed["nodes"]


@pytest.mark.long
@pytest.mark.timeout(600)
def test_the_time_limit_is_told_to_all_ranks_and_the_run_goes_on(ranked: Trial) -> None:
    slurm = {
        "tasks_per_node": 2, "requeue": True, "time_limit": "1", "signal_lead_s": 10,
    }  # fmt: skip
    run_id = spawn(ranked, "count", slurm, steps=1000, pace_s=0.07)
    result = ranked.result(run_id, timeout_s=300)
    assert result["status"] == "completed", log(ranked, run_id)
    assert result["attempts"] >= 2
    assert result["metrics"]["first"] > 0


@pytest.mark.long
@pytest.mark.timeout(600)
def test_all_ranks_get_the_stop_signal_and_a_job_that_they_requeue_is_requeued_once(
    ranked: Trial,
) -> None:
    slurm = {
        "tasks_per_node": 2, "requeue": True, "time_limit": "1", "signal_lead_s": 10,
        "stop_signal": "USR1",
    }  # fmt: skip
    for requeues in (False, True):
        name = f"told-{requeues}"
        run_id = spawn(ranked, "heed_a_signal", slurm, name=name, requeues=requeues)
        result = ranked.result(run_id, timeout_s=280)
        said = log(ranked, run_id)
        assert result["status"] == "completed", said
        assert (result["attempts"], result["metrics"]["restart"]) == (2, 1), said
        for rank in (0, 1):
            assert ranked.login.read(f"{name}.{rank}") == ""
