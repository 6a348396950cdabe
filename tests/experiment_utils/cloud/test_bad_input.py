"""Bad input: a clear error before anything is submitted, and nothing left on disk."""

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from omegaconf import OmegaConf

from tests.fakes.slurm.fake import FakeSlurm
from tmgg.errors import (
    BackendUnavailableError,
    ConfigError,
    RunExistsError,
    SubmissionError,
    TaskError,
    TmggError,
)
from tmgg.experiment_utils.cloud import SlurmConfig, SlurmRunner, make_runner
from tmgg.experiment_utils.cloud.runs import TaskRequest

GOOD = {"experiment": {"_target_": "lab:run"}}


def slurm_with(**options: Any) -> Callable[[], object]:
    return lambda: make_runner("slurm", options).spawn_experiment(GOOD)


def config(value: Any) -> Callable[[], object]:
    return lambda: SlurmRunner().spawn_experiment(value)


# What is done, the error, and the words for: what was given, what is so, what to do.
CASES: dict[str, tuple[Callable[[], object], type[TmggError], list[str]]] = {
    "unknown backend": (
        lambda: make_runner("slrum"),
        ConfigError,
        ["'slrum'", "unknown backend", "Did you mean 'slurm'"],
    ),
    "unknown option": (
        slurm_with(nodse=2),
        ConfigError,
        ["'nodse'", "unknown Slurm option", "Did you mean 'nodes'"],
    ),
    "unknown local option": (
        lambda: make_runner("local", {"nodes": 2}),
        ConfigError,
        ["'nodes'", "unknown local option", "Known: cpus_per_run"],
    ),
    "local time limit": (
        lambda: make_runner("local", {"timeout_seconds": 0}),
        ConfigError,
        ["timeout_seconds=0", "at least 1"],
    ),
    "time limit": (
        slurm_with(time_limit="soon"),
        ConfigError,
        ["time_limit='soon'", "not a time limit", "write HH:MM:SS"],
    ),
    "memory": (
        slurm_with(mem_per_cpu="much"),
        ConfigError,
        ["mem_per_cpu='much'", "not an amount of memory", "write for example '4GB'"],
    ),
    "port": (slurm_with(ray_port=80), ConfigError, ["ray_port=80", "must be 1024 to 65535"]),
    "nodes": (slurm_with(nodes=0), ConfigError, ["nodes=0", "must be 1 to 65533"]),
    "cpus": (slurm_with(cpus_per_task=-1), ConfigError, ["cpus_per_task=-1", "must be 1"]),
    "newline": (
        slurm_with(job_name="a\n#SBATCH --wrap=x"),
        ConfigError,
        ["job_name='a\\n#SBATCH --wrap=x'", "without line breaks"],
    ),
    "command substitution": (
        slurm_with(partition="$(touch canary)"),
        ConfigError,
        ["partition='$(touch canary)'", "must look like 'gpu"],
    ),
    "colliding option": (
        slurm_with(extra_args=["--nodes=3"]),
        ConfigError,
        ["'--nodes=3'", "not allowed", "set nodes instead"],
    ),
    "setup command": (
        slurm_with(setup_commands=["if true"]),
        ConfigError,
        ["'if true'", "not complete shell"],
    ),
    "script template": (
        slurm_with(script_template="no-such-template.sh"),
        ConfigError,
        ["script_template='no-such-template.sh'", "cannot be read"],
    ),
    "gpu type of a run": (
        lambda: SlurmRunner().spawn_experiment(GOOD, gpu_type="a;b"),
        ConfigError,
        ["gpu_type='a;b'", "must look like 'a100'"],
    ),
    "interpolation": (
        config(OmegaConf.create({"a": "${nowhere.b}"})),
        TaskError,
        ["nowhere", "cannot be resolved", "Set the key"],
    ),
    "missing value": (config({"a": "???"}), TaskError, ["Missing mandatory value", "Set the key"]),
    "not JSON": (
        config({"a": {"b": Path("/x")}}),
        TaskError,
        ["config.a.b", "JSON cannot hold", "Use text, numbers"],
    ),
    "no mapping": (config([1]), TaskError, ["a list", "give a mapping"]),
    "target": (
        config({"experiment": {"_target_": "os.system('x')"}}),
        TaskError,
        ["os.system('x')", "does not name a callable", "Write it as package.module:function"],
    ),
    "run id": (
        lambda: SlurmRunner().spawn_experiment(GOOD, run_id="../x"),
        ConfigError,
        ["'../x'", "cannot be a file name", "Use 1 to 100 letters"],
    ),
    "run id in the config": (
        config({"run_id": "a b"}),
        ConfigError,
        ["'a b'", "cannot be a file name"],
    ),
    "python-side time limit": (
        lambda: SlurmRunner().spawn_experiment(GOOD, timeout_seconds=-1),
        ConfigError,
        ["timeout_seconds=-1", "at least 1"],
    ),
    "parallelism": (
        lambda: SlurmRunner().run_sweep([GOOD], parallelism=0),
        ConfigError,
        ["parallelism=0", "at least 1"],
    ),
    "one bad config in a sweep": (
        lambda: SlurmRunner().run_sweep([GOOD, {"a": "???"}]),
        TaskError,
        ["Missing mandatory value"],
    ),
    "twins in a sweep": (
        lambda: SlurmRunner().run_sweep([TaskRequest(config=GOOD, run_id="a")] * 2),
        ConfigError,
        ["given twice in one sweep: a", "Make them unique"],
    ),
}


def on_disk(tmp_path: Path) -> set[str]:
    return {
        str(path.relative_to(tmp_path))
        for path in tmp_path.rglob("*")
        if "fake-slurm" not in path.parts
    }


@pytest.mark.parametrize("name", CASES)
def test_the_error_says_what_was_given_what_is_so_and_what_to_do(
    slurm: FakeSlurm, folder: Path, tmp_path: Path, name: str
) -> None:
    act, kind, words = CASES[name]
    before = on_disk(tmp_path)
    with pytest.raises(kind) as caught:
        act()
    for word in words:
        assert word in str(caught.value)
    assert slurm.calls() == []
    assert on_disk(tmp_path) == before


def test_without_slurm_on_this_machine_nothing_is_left_either(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path / "empty"))
    before = on_disk(tmp_path)
    with pytest.raises(BackendUnavailableError, match=r"sbatch is not on PATH.*tmgg_local"):
        SlurmRunner().spawn_experiment(GOOD)
    assert on_disk(tmp_path) == before


def test_a_run_id_that_exists_is_refused_and_its_record_left_alone(
    slurm: FakeSlurm, folder: Path, tmp_path: Path
) -> None:
    SlurmRunner().spawn_experiment(GOOD, run_id="a")
    before = {path: path.stat().st_mtime_ns for path in (folder / "slurm_outputs/a").rglob("*")}
    files = on_disk(tmp_path)
    with pytest.raises(RunExistsError) as caught:
        SlurmRunner().spawn_experiment(GOOD, run_id="a")
    message = str(caught.value)
    assert "run 'a' already exists" in message
    assert "Choose another run_id" in message
    assert "resume=True" in message
    after = {path: path.stat().st_mtime_ns for path in (folder / "slurm_outputs/a").rglob("*")}
    assert after == before
    assert on_disk(tmp_path) == files
    assert len(slurm.calls("sbatch")) == 1


def test_a_run_id_whose_log_exists_as_a_file_is_refused(slurm: FakeSlurm, folder: Path) -> None:
    (folder / "slurm_outputs").mkdir()
    (folder / "slurm_outputs/a").write_text("somebody's file")
    with pytest.raises(RunExistsError, match="run 'a' already exists"):
        SlurmRunner().spawn_experiment(GOOD, run_id="a")
    assert (folder / "slurm_outputs/a").read_text() == "somebody's file"


def test_a_sweep_with_a_run_that_exists_submits_nothing(
    slurm: FakeSlurm, folder: Path, tmp_path: Path
) -> None:
    runner = SlurmRunner()
    runner.spawn_experiment(GOOD, run_id="b")
    before = on_disk(tmp_path)
    sweep = [TaskRequest(config=GOOD, run_id=name) for name in "abc"]
    with pytest.raises(RunExistsError, match="exist already: b"):
        runner.run_sweep(sweep)
    assert len(slurm.calls("sbatch")) == 1
    assert on_disk(tmp_path) == before


def test_a_folder_that_cannot_be_written_is_named(
    slurm: FakeSlurm, folder: Path, tmp_path: Path
) -> None:
    (folder / "file").write_text("no folder")
    before = on_disk(tmp_path)
    runner = SlurmRunner(SlurmConfig(output_dir="file/below"))
    with pytest.raises(SubmissionError) as caught:
        runner.spawn_experiment(GOOD, run_id="a")
    message = str(caught.value)
    assert f"the record of run 'a' cannot be written in {folder / 'file/below'}" in message
    assert "Nothing was submitted" in message
    assert "Set another output_dir" in message
    assert slurm.calls("sbatch") == []
    assert on_disk(tmp_path) - before <= {"tmgg-home", "tmgg-home/folders"}


def test_a_disk_that_fills_up_while_the_record_is_written_leaves_no_run(
    slurm: FakeSlurm, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(_descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", full)
        with pytest.raises(
            SubmissionError, match=r"No space left on device.*Nothing was submitted"
        ):
            SlurmRunner().spawn_experiment(GOOD, run_id="a")
    assert [path.name for path in (folder / "slurm_outputs").iterdir()] == [".ended"]
    assert slurm.calls("sbatch") == []
