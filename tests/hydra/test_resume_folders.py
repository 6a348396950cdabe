"""A resumed sweep takes the runs of its own folder first, and says whose files are elsewhere."""

import csv
from pathlib import Path

import pytest
from omegaconf import OmegaConf

from tests.hydra import stand_in
from tests.hydra.conftest import Ended, Lab
from tmgg.experiment_utils.cloud import LocalConfig, LocalRunner

SWEEP = ("-m", "hydra/launcher=tmgg_slurm", "hydra.launcher.parallelism=1")


def launch(lab: Lab, folder: str, values: str, *more: str, code: int = 0) -> Ended:
    ended = lab.run(*SWEEP, f"hydra.sweep.dir={folder}", f"x={values}", *more)
    assert ended.code == code, ended.err
    return ended


def resume(lab: Lab, folder: str, values: str, *more: str) -> Ended:
    return launch(lab, folder, values, "hydra.launcher.resume=true", *more)


def interrupted(lab: Lab, folder: str, values: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The first run completes; the second is cancelled before it is submitted."""
    with monkeypatch.context() as patch:
        patch.setattr(stand_in.StandIn, "interrupt_at_poll", 2)
        launch(lab, folder, values, f"+wait_for={lab.folder}/go", code=130)
    (first,) = (str(request.run_id) for request in lab.slurm.requests)
    lab.write("go", "")
    runner = LocalRunner(LocalConfig(output_dir="slurm_outputs"))
    runner.get_result(first)
    assert runner.cancel(first.removesuffix("-0") + "-1")
    (lab.folder / "go").unlink()


def folders(lab: Lab, folder: str) -> list[str]:
    """Where the files of each run are, as the summary says."""
    with (lab.folder / folder / "sweep_summary.csv").open() as stream:
        rows = list(csv.DictReader(stream))
    assert all((Path(row["folder"]) / "model.txt").exists() for row in rows)
    return [str(Path(row["folder"]).relative_to(lab.folder)) for row in rows]


def test_the_folders_own_run_counts_and_what_another_folder_completed_is_named(
    lab: Lab, monkeypatch: pytest.MonkeyPatch
) -> None:
    go = f"+wait_for={lab.folder}/go"
    interrupted(lab, "C", "1,2", monkeypatch)
    lab.write("go", "")
    launch(lab, "D", "1,2", go)

    ended = resume(lab, "C", "1,2", go)

    assert "resume: 2 of 2 recognised; 0 to run" in ended.err
    where = f"1 is of another sweep folder: the files are in {lab.folder}/D\n"
    assert where in ended.err
    assert f"files of 1 of 2 runs are in the folder of another sweep: {lab.folder}/D/1" in ended.out
    assert folders(lab, "C") == ["C/0", "D/1"]
    assert not (lab.folder / "C" / "1").exists()
    assert folders(lab, "D") == ["D/0", "D/1"]


def test_what_two_interrupted_sweeps_lack_runs_in_the_folder_that_is_resumed(
    lab: Lab, monkeypatch: pytest.MonkeyPatch
) -> None:
    interrupted(lab, "one", "1,2", monkeypatch)
    interrupted(lab, "two", "1,2", monkeypatch)
    lab.write("go", "")

    ended = resume(lab, "one", "1,2", f"+wait_for={lab.folder}/go")

    assert "of another sweep" not in ended.err + ended.out
    assert folders(lab, "one") == ["one/0", "one/1"]
    assert not (lab.folder / "two" / "1").exists()


def test_what_failed_in_another_folder_runs_anew_in_a_folder_that_has_runs(lab: Lab) -> None:
    launch(lab, "C", "1")
    launch(lab, "D", "1,raise", code=1)

    ended = lab.run(*SWEEP, "hydra.sweep.dir=C", "x=1,raise", "hydra.launcher.resume=true")

    assert ended.code == 1
    assert "resume: 1 of 2 recognised; 1 to run" in ended.err
    anew = f"1 runs in this launch's sweep folder; what did not complete in {lab.folder}/D stays"
    assert anew in ended.err
    assert "differs from an earlier run" not in ended.err
    assert (lab.folder / "C" / "1" / ".hydra").exists()


def test_a_launch_into_a_new_folder_takes_the_newest_and_names_its_folder(lab: Lab) -> None:
    launch(lab, "C", "1,2")
    launch(lab, "D", "1,2")

    ended = resume(lab, "E", "1,2,3")

    assert f"2 are of another sweep folder: the files are in {lab.folder}/D\n" in ended.err
    assert folders(lab, "E") == ["D/0", "D/1", "E/2"]


def test_runs_made_again_because_the_code_changed_have_the_folder_of_the_launch(lab: Lab) -> None:
    launch(lab, "C", "1")
    module = lab.folder / "tiny_experiment.py"
    module.write_text(module.read_text() + "\n\nMORE = 1\n")

    resume(lab, "E", "1", "hydra.launcher.rerun_changed_code=true")

    assert folders(lab, "E") == ["E/0"]


def test_a_sweep_folder_with_dots_is_the_folder_of_its_own_runs(lab: Lab) -> None:
    launch(lab, "conf/../sweeps/A", "1")

    ended = resume(lab, "conf/../sweeps/A", "1,2")

    assert "resume: 1 of 2 recognised; 1 to run" in ended.err
    assert "of another sweep" not in ended.err + ended.out


def test_a_run_again_has_the_sweep_folder_of_its_first_attempt(lab: Lab) -> None:
    deep = "hydra.sweep.subdir='deep/${x}'"
    launch(lab, "C", "raise", deep, code=1)

    launch(lab, "D", "raise", deep, "hydra.launcher.resume=true", code=1)

    config = OmegaConf.load(lab.folder / "C" / "deep" / "raise" / ".hydra" / "hydra.yaml")
    sweep = (config.hydra.sweep.dir, config.hydra.sweep.subdir)
    assert sweep == (f"{lab.folder}/C", "deep/raise")
    assert not (lab.folder / "D" / "deep").exists()


def test_what_another_folder_has_by_todays_code_is_not_run_again(lab: Lab) -> None:
    launch(lab, "D", "1")
    module = lab.folder / "tiny_experiment.py"
    module.write_text(module.read_text() + "\n\nMORE = 1\n")
    launch(lab, "E", "1")

    ended = resume(lab, "D", "1", "hydra.launcher.rerun_changed_code=true")

    assert "resume: 1 of 1 recognised; 0 to run" in ended.err
    assert folders(lab, "D") == ["E/0"]


PARAMETERS = "hydra.sweep.subdir=${hydra.job.override_dirname}"


def test_parameters_that_a_sweeper_asks_for_again_get_the_earlier_result(lab: Lab) -> None:
    batches = ("hydra.sweeper.max_batch_size=1", PARAMETERS)
    refused = lab.run(*SWEEP, "hydra.sweep.dir=C", "x=1,2,1", *batches)
    assert refused.code == 2
    assert "hydra.launcher.resume=true gives it the result of the earlier job" in refused.err

    resume(lab, "D", "3,4,3", *batches)

    assert len(lab.find("D/x=*/model.txt")) == 2
    with (lab.folder / "D" / "sweep_summary.csv").open() as stream:
        runs = [row["run_id"] for row in csv.DictReader(stream)]
    assert runs[0] == runs[2] != runs[1]


def test_two_jobs_of_one_batch_that_are_one_folder_are_refused_when_resumed(lab: Lab) -> None:
    ended = lab.run(*SWEEP, "hydra.sweep.dir=C", "x=1,1", PARAMETERS, "hydra.launcher.resume=true")
    assert ended.code == 2
    assert "2 runs of the sweep have one output folder" in ended.err


def test_a_failed_run_goes_on_in_its_folder_though_an_earlier_batch_made_runs_in_the_new_one(
    lab: Lab,
) -> None:
    launch(lab, "C", "raise", code=1)

    resume = ("hydra.launcher.resume=true", "hydra.sweeper.max_batch_size=1")
    ended = launch(lab, "D", "1,raise", *resume, code=1)

    assert "resume: 1 of 1 recognised (1 failed); 1 to run" in ended.err
    assert (lab.folder / "D" / "0").exists()
    assert not (lab.folder / "D" / "1").exists()


def test_a_sweep_folder_that_is_named_by_a_symbolic_link_is_no_other_folder(lab: Lab) -> None:
    launch(lab, "C", "1,2")
    (lab.folder / "link").symlink_to("C")

    ended = resume(lab, "link", "1,2")

    assert "resume: 2 of 2 recognised; 0 to run" in ended.err
    assert "of another sweep" not in ended.err + ended.out
