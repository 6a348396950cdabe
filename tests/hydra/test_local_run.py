"""`tmgg-experiment` without a TMGG launcher: the experiment in this process."""

import pytest

from tests.hydra.conftest import Lab


def test_an_own_experiment_runs_here_and_its_metrics_are_printed(lab: Lab) -> None:
    ended = lab.run("x=3", "model=large")

    assert ended.code == 0
    assert _row(ended.out, "score") == "30"
    assert _row(ended.out, "x") == "3"


def test_files_go_to_hydras_folder_and_the_table_says_where(lab: Lab) -> None:
    ended = lab.run("hydra.run.dir=results/first")

    folder = lab.folder / "results" / "first"
    assert (folder / "model.txt").read_text() == "2"
    assert (folder / ".hydra" / "config.yaml").exists()
    assert f"output: {folder}" in ended.out


def test_an_output_dir_of_the_config_is_left_as_it_is(lab: Lab) -> None:
    (lab.folder / "mine").mkdir()

    lab.run(f"output_dir={lab.folder}/mine")

    assert (lab.folder / "mine" / "model.txt").exists()


def test_the_target_can_be_given_on_the_command_line(lab: Lab) -> None:
    lab.write("elsewhere/other.py", "def go(config):\n    return {'seen': config.x}\n")

    ended = lab.run("experiment._target_=elsewhere.other:go", "x=7")

    assert _row(ended.out, "seen") == "7"


def test_modules_of_the_working_folder_are_found_when_hydra_changes_it(lab: Lab) -> None:
    ended = lab.run("hydra.job.chdir=true")

    assert ended.code == 0
    assert _row(ended.out, "score") == "2"


def test_a_sweep_without_launcher_runs_one_after_the_other(lab: Lab) -> None:
    ended = lab.run("-m", "x=1,2", "hydra.sweep.dir=sweep")

    assert ended.code == 0
    assert [path.read_text() for path in lab.find("sweep/*/model.txt")] == ["1", "2"]


def test_overrides_may_stand_on_both_sides_of_an_option(lab: Lab) -> None:
    ended = lab.run("model=large", "-m", "x=1,2", "hydra.sweep.dir=sweep")

    assert ended.code == 0
    assert ended.out.count("score") == 2


def test_an_experiment_that_raises_ends_with_1_and_the_users_part_of_the_traceback(
    lab: Lab,
) -> None:
    ended = lab.run("x=raise")

    assert ended.code == 1
    assert 'raise ValueError("the loss is purple")' in ended.err
    assert "run_job" not in ended.err
    assert "HYDRA_FULL_ERROR=1" in ended.err


def test_a_result_that_is_no_number_is_an_error_in_words(lab: Lab) -> None:
    ended = lab.run("x=text")

    assert ended.code == 2
    assert "error: the experiment returned score='high'" in ended.err
    assert "Traceback" not in ended.err


@pytest.mark.parametrize(
    ("override", "words"),
    [
        ("name=${oc.env:TMGG_NOT_SET}", "TMGG_NOT_SET"),
        ("name=${nowhere}", "nowhere"),
        ("x=???", "x"),
        ("unknown=1", "Could not override 'unknown'"),
        ("experiment._target_=tiny_experiment:absent", "has no 'absent'"),
        ("experiment._target_=no_such_lab:run", "there is no module 'no_such_lab'"),
        ("experiment._target_=tiny_experiment.below.run", "there is no module"),
        ("experiment._target_=not-a-name", "does not name a callable"),
        ("hydra/launcher=tmgg_slrm", "tmgg_slurm"),
        ("hydra.launcher.slurm_nodes=2", "hydra/launcher=tmgg_slurm"),
    ],
)
def test_what_cannot_be_is_an_error_in_words_with_exit_code_2(
    lab: Lab, override: str, words: str
) -> None:
    ended = lab.run(override)

    assert ended.code == 2
    assert "error: " in ended.err
    assert words in ended.err
    assert "Traceback" not in ended.err


def test_hydra_full_error_shows_all(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HYDRA_FULL_ERROR", "1")

    with pytest.raises(ValueError, match="the loss is purple"):
        lab.run("x=raise")


def _row(out: str, name: str) -> str:
    """The value in the metric table's row."""
    (row,) = [line.split() for line in out.splitlines() if line.split()[:1] == [name]]
    return row[1]
