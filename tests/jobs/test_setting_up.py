"""`tmgg-jobs setup`: it learns what the site wants, and writes a launcher with a name."""

import errno
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.fakes.slurm.fake import FakeSlurm
from tests.jobs.conftest import Jobs
from tmgg.cli import setting_up
from tmgg.cli.launcher_file import make_slurm_runner
from tmgg.hydra_plugins.profiles import profile_file

APP = """
import hydra

@hydra.main(version_base=None, config_path=None)
def main(cfg):
    return 2.0

main()
"""


def written(name: str = "my_site") -> dict[str, Any]:
    """The keys of the file that count."""
    return dict(yaml.safe_load(profile_file(name).read_text()))


def test_a_site_without_rules_is_asked_little_and_nothing_is_submitted(
    empty: Path, tmgg_jobs: Jobs, slurm: FakeSlurm
) -> None:
    done = tmgg_jobs("setup")
    assert done.code == 0
    assert "Slurm takes a job with it (sbatch --test-only)" in done.out
    assert "tmgg-experiment +stage=stage1_poc hydra/launcher=my_site" in done.out
    found = written()
    assert (found["slurm_partition"], found["slurm_nodes"]) == ("gpu", 1)
    assert (found["slurm_gpus_per_task"], found["slurm_cpus_per_task"]) == (1, 2)
    assert found["slurm_time_limit"] == "08:00:00"
    assert "slurm_account" not in found
    assert [call.argv[1] for call in slurm.calls("sbatch")] == [
        "--version", "--test-only", "--test-only",
    ]  # fmt: skip
    assert len(slurm.calls()) <= 11
    assert not slurm.jobs


def test_of_a_wrapper_that_prints_a_banner_only_the_version_is_reported(
    empty: Path, tmgg_jobs: Jobs, slurm: FakeSlurm
) -> None:
    banner = "**** Welcome to slurm at Site 7.1 ****\nslurm-wlm 22.05.8\nBye.\n"
    slurm.break_command("sbatch", stdout=banner, exit_code=0)
    done = tmgg_jobs("setup")
    assert done.code == 0
    assert ": slurm-wlm 22.05.8, asked " in done.out.splitlines()[0]
    assert "(slurm-wlm 22.05.8)" in profile_file("my_site").read_text()


def test_a_controller_that_is_down_is_no_login_without_a_cluster(
    empty: Path, tmgg_jobs: Jobs, slurm: FakeSlurm
) -> None:
    slurm.configure(controller="down")
    done = tmgg_jobs("setup")
    assert done.code == 4
    assert "does not answer: try again later. " in done.err
    assert "has no cluster of its own" not in done.err


def test_every_line_has_its_reason_above_it(empty: Path, tmgg_jobs: Jobs, slurm: FakeSlurm) -> None:
    tmgg_jobs("setup")
    lines = profile_file("my_site").read_text().splitlines()
    keys = [number for number, line in enumerate(lines) if line.startswith("slurm_")]
    assert keys
    assert all(lines[number - 1].startswith("# ") for number in keys)
    assert "# slurm_network_interface: ib0" in lines


def test_the_sites_own_rules_are_met_one_after_another(
    empty: Path, tmgg_jobs: Jobs, slurm: FakeSlurm
) -> None:
    slurm.configure(
        accounts=["research", "physics"],
        nodes=["n1|32|256000|gpu:a100:4|idle|(null)"],
        qualities={"normal": "", "long": "20"},
    )
    slurm.add_rule("account", "Please name a project with --account.", allowed=("physics",))
    slurm.add_rule("qos", "A quality of service (--qos) is needed.", allowed=("long",))
    slurm.add_rule("gpus-per-task", "Ask for GPUs with --gres=gpu:TYPE:N.")
    slurm.add_rule("gpus-per-node", "Ask for GPUs with --gres=gpu:TYPE:N.")
    slurm.add_rule("gres", "GPUs need a type, as in --gres=gpu:a100:1.", allowed=("gpu:a100:1",))
    slurm.add_rule("mem-per-cpu", "Leave memory out: it comes with the CPUs.")
    slurm.add_rule("mem", "Leave memory out: it comes with the CPUs.")
    done = tmgg_jobs("setup", "--json")
    assert done.code == 0, done.out
    found = written()
    assert (found["slurm_account"], found["slurm_qos"]) == ("physics", "long")
    assert (found["slurm_gpu_request"], found["slurm_gpu_type"]) == ("gres", "a100")
    assert found["slurm_mem_per_cpu"] is None
    assert found["parallelism"] == 20
    reasons = {line["key"]: line["reason"] for line in done.json["lines"]}
    assert "Please name a project with --account." in reasons["slurm_account"]
    assert done.json["questions"] <= 8 + 40 + 1


def test_what_the_user_settled_stays(empty: Path, tmgg_jobs: Jobs, slurm: FakeSlurm) -> None:
    slurm.add_rule("partition", "Only the partition batch takes jobs.", allowed=("batch",))
    refused = tmgg_jobs("setup", "slurm_partition=gpu", "--name", "mine")
    assert refused.code == 1
    assert "Slurm REFUSES a job with it" in refused.out
    assert "Only the partition batch takes jobs." in profile_file("mine").read_text()
    assert written("mine")["slurm_partition"] == "gpu"
    assert tmgg_jobs("setup").code == 0
    assert written()["slurm_partition"] == "batch"


def test_the_number_of_questions_is_bounded(empty: Path, tmgg_jobs: Jobs, slurm: FakeSlurm) -> None:
    slurm.configure(partitions=[f"p{number}" for number in range(20)], accounts=list("abcdefgh"))
    slurm.add_rule("licenses", "Never.", allowed=("never",))
    assert tmgg_jobs("setup").code == 1
    assert len(slurm.calls("sbatch")) <= 1 + 40 + 1


@pytest.mark.parametrize("accounting", ["absent", "down"])
def test_what_cannot_be_learned_is_commented_out_and_says_so(
    empty: Path, tmgg_jobs: Jobs, slurm: FakeSlurm, accounting: str
) -> None:
    slurm.configure(accounting=accounting)
    assert tmgg_jobs("setup").code == 0
    text = profile_file("my_site").read_text()
    assert "# slurm_account: name" in text
    assert "This site keeps no accounts" in text
    assert "slurm_account" not in written()


def test_a_file_that_is_there_is_left_alone(empty: Path, tmgg_jobs: Jobs, slurm: FakeSlurm) -> None:
    file = empty / "conf" / "hydra" / "launcher" / "here.yaml"
    file.parent.mkdir(parents=True)
    file.write_text("mine: 1\n")
    refused = tmgg_jobs("setup", "--output", str(file))
    assert refused.code == 2
    assert "is there already" in refused.err
    assert file.read_text() == "mine: 1\n"
    assert not slurm.calls()
    done = tmgg_jobs("setup", "--output", str(file), "--force")
    assert done.code == 0
    assert f"--config-dir {empty / 'conf'} hydra/launcher=here" in done.out
    assert make_slurm_runner(file, []).config.nodes == 1


def test_a_silent_controller_writes_nothing(empty: Path, tmgg_jobs: Jobs, slurm: FakeSlurm) -> None:
    slurm.configure(controller="down")
    assert tmgg_jobs("setup").code == 4
    assert not profile_file("my_site").exists()


def test_trials_without_an_answer_are_no_refusals(
    empty: Path, tmgg_jobs: Jobs, slurm: FakeSlurm
) -> None:
    words = "sbatch: error: Unable to contact slurm controller (connect failure)"
    slurm.break_command("sbatch --test-only", times=None, stdout="", stderr=words, exit_code=1)
    told = tmgg_jobs("setup")
    assert told.code == 4
    assert "Whether Slurm takes a job with it is not known" in told.out


def test_a_login_without_a_cluster_of_its_own_is_told_to_name_one(
    empty: Path, tmgg_jobs: Jobs, slurm: FakeSlurm
) -> None:
    slurm.add_cluster("far")
    slurm.configure(controller="down", other_clusters=["far"])
    told = tmgg_jobs("setup")
    assert told.code == 4
    assert "slurm_clusters=NAME. The accounts know fake, far." in told.err
    assert tmgg_jobs("setup", "slurm_clusters=far").code == 0
    assert written()["slurm_clusters"] == "far"


@pytest.mark.parametrize("wrong", [["--name", "a/b"], ["slurm_nodes=0"], ["resume=true"]])
def test_options_that_cannot_be_are_misuse(
    empty: Path, tmgg_jobs: Jobs, slurm: FakeSlurm, wrong: list[str]
) -> None:
    assert tmgg_jobs("setup", *wrong).code == 2
    assert not slurm.calls()


def run_app(folder: Path, *arguments: str) -> str:
    (folder / "app.py").write_text(APP)
    done = subprocess.run(
        [sys.executable, "app.py", *arguments],
        cwd=folder, env=dict(os.environ), capture_output=True, text=True, timeout=100, check=False,
    )  # fmt: skip
    return done.stdout + done.stderr


def test_a_hydra_app_that_knows_nothing_of_tmgg_finds_it_by_its_name(
    empty: Path, tmgg_jobs: Jobs, slurm: FakeSlurm
) -> None:
    tmgg_jobs("setup", "slurm_nodes=1")
    detached = ("hydra.launcher.detach=true", "hydra.launcher.slurm_ray_bootstrap=none")
    told = run_app(empty, "-m", "hydra/launcher=my_site", *detached)
    assert slurm.only_job["options"]["partition"] == "gpu", told
    assert slurm.only_job["options"]["cpus-per-task"] == "2"


def test_a_folder_that_others_may_write_is_not_searched(
    empty: Path, tmgg_jobs: Jobs, slurm: FakeSlurm
) -> None:
    tmgg_jobs("setup")
    profile_file("my_site").parent.chmod(0o777)
    told = run_app(empty, "-m", "hydra/launcher=my_site")
    assert "Could not find 'hydra/launcher/my_site'" in told
    assert not slurm.jobs


def test_a_home_without_room_is_named_with_the_file_and_the_way_out(
    empty: Path, tmgg_jobs: Jobs, slurm: FakeSlurm, monkeypatch: pytest.MonkeyPatch
) -> None:
    def no_room(file: Path, _data: bytes, **_mode: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(file))

    monkeypatch.setattr(setting_up, "write_atomic", no_room)
    done = tmgg_jobs("setup")
    file = profile_file("my_site")
    assert done.code == 2
    assert f"{file} cannot be written: No space left on device" in done.err
    assert f"Make room in {file.parent}" in done.err
    assert "--output FILE" in done.err
    assert not file.exists()
