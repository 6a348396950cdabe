"""Which processes below a job run its command line again, and which have one of their own."""

import sys
from pathlib import Path

import pytest

from tmgg.experiment_utils.program.again import announce, job_folder

LIGHTNING = (
    'hydra.run.dir="outputs/x"',
    "hydra.job.name=train_ddp_process_1",
    "hydra.output_subdir=null",
)


@pytest.fixture
def script(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.setenv("TMGG_JOB_COMMAND", "")
    monkeypatch.chdir(tmp_path)
    (tmp_path / "app.py").touch()
    return str(tmp_path / "app.py")


def found(monkeypatch: pytest.MonkeyPatch, *argv: str) -> str | None:
    monkeypatch.setattr(sys, "argv", list(argv))
    return job_folder()


@pytest.mark.usefixtures("script")
def test_without_a_job_above_nothing_is_run_again(monkeypatch: pytest.MonkeyPatch) -> None:
    assert found(monkeypatch, "app.py") is None


@pytest.mark.parametrize("own", [(), ("x=1",)])
@pytest.mark.parametrize("more", [(), LIGHTNING, ("hydra.output_subdir=null",)])
def test_the_same_words_and_what_lightning_adds_are_the_job_again(
    script: str, monkeypatch: pytest.MonkeyPatch, own: tuple[str, ...], more: tuple[str, ...]
) -> None:
    announce("/folder", script, own)

    assert found(monkeypatch, "app.py", *own, *more) == "/folder"


@pytest.mark.parametrize("flag", ["--local-rank=1", "--local_rank=1"])
def test_a_rank_before_or_after_the_words_is_the_job_again(
    script: str, monkeypatch: pytest.MonkeyPatch, flag: str
) -> None:
    announce("/folder", script, ["x=1"])

    assert found(monkeypatch, "app.py", flag, "x=1") == "/folder"
    assert found(monkeypatch, "app.py", "x=1", flag) == "/folder"


@pytest.mark.parametrize("own", [(), ("x=1",)])
@pytest.mark.parametrize(
    "more",
    [
        ("y=2",),
        ("x=5", "hydra.run.dir=eval"),
        ("-m", "x=5,6"),
        ("x=5,6",),
        ("--epochs=3",),
        ("hydra/launcher=tmgg_slurm",),
    ],
)
def test_any_other_word_makes_it_a_command_of_its_own(
    script: str, monkeypatch: pytest.MonkeyPatch, own: tuple[str, ...], more: tuple[str, ...]
) -> None:
    announce("/folder", script, own)

    assert found(monkeypatch, "app.py", *own, *more) is None


def test_a_folder_alone_makes_a_command_of_its_own_only_where_the_job_has_no_words(
    script: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    announce("/folder", script, [])
    assert found(monkeypatch, "app.py", "hydra.run.dir=eval") is None

    announce("/folder", script, ["x=1"])
    assert found(monkeypatch, "app.py", "x=1", "hydra.run.dir=again") == "/folder"


def test_other_words_and_other_scripts_are_not_the_job(
    script: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    announce("/folder", script, ["x=1"])

    assert found(monkeypatch, "app.py", "x=2") is None
    assert found(monkeypatch, "app.py") is None
    assert found(monkeypatch, "b.py", "x=1") is None
