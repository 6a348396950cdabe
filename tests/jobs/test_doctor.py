"""`tmgg-jobs doctor` from end to end, on a pretended Slurm whose jobs really run."""

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.fakes.slurm.fake import FakeSlurm
from tests.jobs import site_answers
from tests.jobs.conftest import Jobs
from tmgg.cli.launcher_file import make_slurm_runner
from tmgg.errors import ConfigError
from tmgg.experiment_utils.files.atomic_file import write_json
from tmgg.experiment_utils.files.trust import read_json

OPTIONS = (
    "slurm_nodes=1",
    "slurm_cpus_per_task=2",
    "slurm_mem_per_cpu=2GB",
    "slurm_gpus_per_task=0",
)


def answer_about_the_site(slurm: FakeSlurm, **other: str) -> None:
    """Let the commands answer as a real site does, in the order in which the doctor asks."""
    words = {
        "ping": site_answers.PING,
        "config": site_answers.CONFIG,
        "partitions": site_answers.PARTITIONS,
        "nodes": site_answers.NODES,
        "associations": site_answers.ASSOCIATIONS,
        "qualities": site_answers.QUALITIES,
        **other,
    }
    slurm.break_command("sbatch", stdout="slurm-wlm 22.05.8\n")
    for name in ("ping", "config", "partitions"):
        slurm.break_command("scontrol", stdout=words[name])
    slurm.break_command("sinfo", stdout=words["nodes"])
    for name in ("associations", "qualities"):
        slurm.break_command("sacctmgr", stdout=words[name])
    slurm.break_command(
        "sbatch --test-only", stdout="", stderr=site_answers.WOULD_START, exit_code=0
    )


def by_check(document: dict[str, Any]) -> dict[str, dict[str, str]]:
    return {finding["check"]: finding for finding in document["findings"]}


def test_a_cluster_that_fits_has_no_problem(empty: Path, tmgg_jobs: Jobs, slurm: FakeSlurm) -> None:
    answer_about_the_site(slurm)
    examined = tmgg_jobs("doctor", *OPTIONS, "--no-job", "--json")
    assert examined.code == 0
    assert examined.json["ok"]
    assert set(examined.json) == {"ok", "findings"}
    assert all(
        set(finding) == {"check", "level", "text", "advice"}
        for finding in examined.json["findings"]
    )
    assert "to start at 2026-11-23T23:30:45" in by_check(examined.json)["trial submission"]["text"]
    assert not slurm.jobs


def test_the_very_script_of_a_run_is_tried(empty: Path, tmgg_jobs: Jobs, slurm: FakeSlurm) -> None:
    answer_about_the_site(slurm)
    tmgg_jobs("doctor", *OPTIONS, "--no-job")
    trial = slurm.calls("sbatch")[-1]
    assert trial.argv[1] == "--test-only"
    assert trial.cwd == str(empty)


def test_one_job_looks_at_the_nodes_and_leaves_nothing(
    empty: Path, tmgg_jobs: Jobs, slurm: FakeSlurm
) -> None:
    answer_about_the_site(slurm)
    slurm.configure(run_jobs=True)
    ports = ("slurm_ray_port=18765", "slurm_min_worker_port=18800", "slurm_max_worker_port=18900")
    examined = tmgg_jobs("doctor", *OPTIONS, *ports, "--no-start", "--json", "--timeout", "60s")
    found = by_check(examined.json)
    assert examined.code == 0, examined.out
    assert found["job"]["level"] == "ok"
    assert found["shared folder"]["text"].startswith("1 nodes read")
    assert sys.executable in found["interpreter"]["text"]
    assert found["ports"]["level"] == "ok"
    assert found["Ray"]["level"] == "ok"
    assert len(slurm.jobs) == 1
    assert [path.name for path in (empty / "slurm_outputs").iterdir()] == [".ended"]
    assert "job 1 is running" in examined.err or "is completed" in examined.err


def test_a_broken_environment_is_found_by_the_job(
    empty: Path, tmgg_jobs: Jobs, slurm: FakeSlurm
) -> None:
    answer_about_the_site(slurm)
    slurm.configure(run_jobs=True)
    setup = "slurm_setup_commands=['module load nowhere']"
    examined = tmgg_jobs("doctor", *OPTIONS, setup, "--json", "--timeout", "60s")
    job = by_check(examined.json)["job"]
    assert examined.code == 1
    assert job["level"] == "problem"
    assert "setup command" in job["text"]
    assert "tmgg-jobs show doctor-" in job["advice"]


def test_a_job_that_does_not_start_is_cancelled_and_explained(
    empty: Path, tmgg_jobs: Jobs, slurm: FakeSlurm
) -> None:
    answer_about_the_site(slurm)
    examined = tmgg_jobs("doctor", *OPTIONS, "--json", "--timeout", "0.5s")
    job = by_check(examined.json)["job"]
    assert (examined.code, job["level"]) == (0, "warning")
    assert "did not start within 0.5 s" in job["text"]
    assert slurm.only_job["state"] == "CANCELLED"


def test_no_job_is_sent_into_a_known_problem(
    empty: Path, tmgg_jobs: Jobs, slurm: FakeSlurm
) -> None:
    down = site_answers.PARTITIONS.replace("State=UP", "State=DOWN")
    answer_about_the_site(slurm, partitions=down)
    examined = tmgg_jobs("doctor", *OPTIONS)
    assert examined.code == 1
    assert "problem  partition gpu: is DOWN" in examined.out
    assert "no job was sent" in examined.out
    assert not slurm.jobs


def test_an_unknown_partition_is_named_with_those_there_are(
    empty: Path, tmgg_jobs: Jobs, slurm: FakeSlurm
) -> None:
    answer_about_the_site(slurm)
    examined = tmgg_jobs("doctor", *OPTIONS, "slurm_partition=gpus", "--no-job")
    assert "there is no partition gpus; there are gpu, scavenge" in examined.out


def test_a_hidden_partition_is_examined_and_not_named_to_others(
    empty: Path, tmgg_jobs: Jobs, slurm: FakeSlurm
) -> None:
    own = {"Hidden": "YES", "MaxTime": "00:00:10"}
    slurm.configure(partitions=["gpu", "own"], partition_settings={"own": own})
    answer_about_the_site(slurm)
    others = [each for each in _faults(slurm) if each["stdout"] != site_answers.PARTITIONS]
    slurm.configure(faults=others)  # this one the fake answers itself
    examined = tmgg_jobs("doctor", *OPTIONS, "slurm_partition=own", "--no-job", "--json")
    assert "gives at most 00:00:10" in by_check(examined.json)["partition own"]["text"]


def test_a_refusal_of_the_trial_is_a_problem_in_slurms_words(
    empty: Path, tmgg_jobs: Jobs, slurm: FakeSlurm
) -> None:
    answer_about_the_site(slurm)
    now = "allocation failure: Requested node configuration is not available\n"
    slurm.configure(faults=_with_trial(slurm, stderr=now, exit_code=1))
    examined = tmgg_jobs("doctor", *OPTIONS, "--no-job", "--json")
    trial = by_check(examined.json)["trial submission"]
    assert (examined.code, trial["level"]) == (1, "problem")
    assert "Requested node configuration" in trial["text"]


def test_a_controller_that_is_down_ends_the_examination(
    empty: Path, tmgg_jobs: Jobs, slurm: FakeSlurm
) -> None:
    slurm.break_command("sbatch", stdout="slurm-wlm 22.05.8\n")
    slurm.break_command("scontrol", stdout="Slurmctld(primary) at ctl is DOWN\n", exit_code=1)
    examined = tmgg_jobs("doctor", *OPTIONS, "--no-job", "--json")
    assert examined.code == 1
    assert by_check(examined.json)["controller"]["level"] == "problem"


def test_accounts_that_do_not_answer_are_a_warning(
    empty: Path, tmgg_jobs: Jobs, slurm: FakeSlurm
) -> None:
    answer_about_the_site(slurm)
    slurm.configure(faults=_without(slurm, "sacctmgr"), accounting="down")
    slurm.break_command("sacctmgr", stderr="Connection refused", exit_code=1)
    found = by_check(tmgg_jobs("doctor", *OPTIONS, "--no-job", "--json").json)
    assert found["account"]["level"] == "warning"
    assert "Connection refused" in found["account"]["text"]


def test_a_missing_sacct_is_a_warning_and_the_rest_is_looked_at(
    empty: Path, tmgg_jobs: Jobs, slurm: FakeSlurm, monkeypatch: pytest.MonkeyPatch
) -> None:
    answer_about_the_site(slurm)
    (slurm.bin_folder / "sacct").unlink()
    monkeypatch.setenv("PATH", str(slurm.bin_folder))
    found = by_check(tmgg_jobs("doctor", *OPTIONS, "--no-job", "--json").json)
    accounts = found["commands for accounts"]
    assert (accounts["level"], accounts["text"]) == ("warning", "not on PATH: sacct")
    assert "controller" in found


def test_a_machine_without_slurm_is_said_at_once(
    empty: Path, tmgg_jobs: Jobs, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", "/nonexistent")
    examined = tmgg_jobs("doctor", *OPTIONS, "--json")
    assert examined.code == 1
    assert by_check(examined.json)["commands"]["level"] == "problem"
    assert "sbatch" in by_check(examined.json)["commands"]["text"]


def test_an_output_folder_that_cannot_be_written_is_a_problem(
    empty: Path, tmgg_jobs: Jobs, slurm: FakeSlurm
) -> None:
    (empty / "taken").write_text("a file")
    answer_about_the_site(slurm)
    found = by_check(
        tmgg_jobs("doctor", *OPTIONS, "slurm_output_dir=taken/x", "--no-job", "--json").json
    )
    assert found["output folder"]["level"] == "problem"


def test_a_launcher_file_is_examined_with_overrides_on_top(empty: Path) -> None:
    file = empty / "my_cluster.yaml"
    file.write_text(
        "# @package hydra.launcher\n"
        "_target_: tmgg.hydra_plugins.tmgg_launcher.TmggLauncher\n"
        "use_slurm: true\nslurm_partition: ml-gpu\nslurm_nodes: 2\n"
        'slurm_time_limit: "04:00:00"\nslurm_setup_commands:\n  - "module load cuda/12.1"\n'
    )
    overrides = ["slurm_nodes=5", "hydra.launcher.slurm_time_limit=12:00:00", "+slurm_qos=long"]
    config = make_slurm_runner(file, overrides).config
    assert (config.partition, config.nodes, config.time_limit) == ("ml-gpu", 5, "12:00:00")
    assert config.setup_commands == ("module load cuda/12.1",)
    assert config.qos == "long"


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("use_slurm: true\nslurm_partitoin: x\n", "slurm_partition"),
        ("use_local: true\n", "for the local backend"),
        ("use_slurm: [", "cannot be read"),
        ("[1, 2]\n", "holds no keys"),
    ],
)
def test_a_launcher_file_that_cannot_be_is_refused(empty: Path, text: str, words: str) -> None:
    file = empty / "bad.yaml"
    file.write_text(text)
    with pytest.raises(ConfigError, match=words):
        make_slurm_runner(file, [])


@pytest.mark.parametrize("override", ["slurm_nodes", "slurm_nodes=", "slurm_x=1", "=3", "a b"])
def test_an_override_that_cannot_be_is_misuse(empty: Path, tmgg_jobs: Jobs, override: str) -> None:
    assert tmgg_jobs("doctor", override, "--no-job").code == 2


def test_probes_on_one_machine_see_each_others_ports_as_taken(
    tmp_path: Path, slurm: FakeSlurm
) -> None:
    """Two 'nodes' here share one address: the second must find the first's ports in use."""
    slurm.configure(address="192.0.2.1")
    nonce = tmp_path / "nonce"
    nonce.write_text("secret")
    folder = tmp_path / "survey"
    folder.mkdir()
    plan = {
        "nodes": ["node1", "node2"],
        "nonce": "secret",
        "nonce_file": str(nonce),
        "head_port": 18777,
        "worker_ports": [18778],
        "needs_ray": False,
        "needs_gpus": False,
    }
    write_json(folder / "plan.json", plan)
    module = "tmgg.experiment_utils.cloud.slurm.site.doctor.node_probe"
    processes = [
        subprocess.Popen(
            [sys.executable, "-m", module, str(folder)],
            env=os.environ
            | {"SLURM_PROCID": str(number), "PATH": f"{tmp_path}:{os.environ['PATH']}"},
        )
        for number in range(2)
    ]
    assert [process.wait(60) for process in processes] == [0, 0]
    notes = [read_json(folder / f"node-{number}.json") or {} for number in range(2)]
    troubles = sorted(str(note["ports"]["18778"]) for note in notes)
    assert "Address already in use" in troubles[-1]
    assert troubles.count("None") == 1
    assert all(note["saw_nonce"] for note in notes)


def _with_trial(slurm: FakeSlurm, **change: Any) -> list[dict[str, Any]]:
    faults = _faults(slurm)
    (trial,) = [fault for fault in faults if fault["command"] == "sbatch --test-only"]
    trial.update(change)
    return faults


def _without(slurm: FakeSlurm, command: str) -> list[dict[str, Any]]:
    return [fault for fault in _faults(slurm) if fault["command"] != command]


def _faults(slurm: FakeSlurm) -> list[dict[str, Any]]:
    from tests.fakes.slurm import state

    return list(state.read(str(slurm.folder))["faults"])
