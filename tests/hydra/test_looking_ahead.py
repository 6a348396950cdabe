"""What Slurm would refuse is said before a launch composes its jobs."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.fakes.slurm.fake import FakeSlurm
from tests.hydra.conftest import Lab
from tmgg.experiment_utils.cloud import factory

REAL = factory.BACKENDS["slurm"]
SLURM = ("hydra/launcher=tmgg_slurm", "hydra.launcher.slurm_nodes=1")
WRONG = "hydra.launcher.slurm_partition=nope"
# The second choice is not there: a launch that composes its jobs first tells of that.
CANNOT_BE_COMPOSED = "model=small,not_there"


@pytest.fixture
def slurm(lab: Lab, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeSlurm]:
    """The launcher of Slurm itself, whose commands are pretended."""
    monkeypatch.setitem(factory.BACKENDS, "slurm", REAL)
    fake = FakeSlurm(tmp_path / "fake-slurm")
    fake.install()
    monkeypatch.setenv("PATH", f"{fake.bin_folder}:{os.environ['PATH']}")
    yield fake
    fake.end_all()


def test_a_wrong_partition_is_refused_before_any_job_is_composed(
    lab: Lab, slurm: FakeSlurm
) -> None:
    refused = lab.run("-m", CANNOT_BE_COMPOSED, *SLURM, WRONG)
    assert refused.code == 2
    assert refused.err.startswith("error: Slurm refuses such a job, so nothing was submitted.")
    assert len(refused.err.splitlines()) <= 5
    assert [call.argv[1] for call in slurm.calls("sbatch")] == ["--test-only"]
    assert len(slurm.calls()) == 2
    assert not lab.find("multirun*")


def test_a_wrong_account_is_refused_before_any_of_several_jobs_is_composed(
    lab: Lab, slurm: FakeSlurm
) -> None:
    refused = lab.run("-m", CANNOT_BE_COMPOSED, *SLURM, "hydra.launcher.slurm_account=nobody")
    assert refused.code == 2
    assert refused.err.startswith("error: Slurm refuses such a job, so nothing was submitted.")
    assert "slurm_account is nobody. Your accounts: research." in refused.err
    assert len(refused.err.splitlines()) <= 5
    assert [call.argv[1] for call in slurm.calls("sbatch")] == ["--test-only"]
    assert not lab.find("multirun*")


@pytest.mark.parametrize(
    ("override", "trials"),
    [
        ("x=1", 0),
        ("x=1,2", 1),
        ("x=range(3)", 1),
        ("x=choice(1)", 0),
        ("x=${hydra:job.num}", 0),  # which is known in a job only
    ],
)
def test_only_a_launch_of_several_jobs_is_tried(
    lab: Lab, slurm: FakeSlurm, override: str, trials: int
) -> None:
    lab.run("-m", override, *SLURM, "hydra.launcher.detach=true")
    words = [call.argv[1] for call in slurm.calls("sbatch")]
    assert words.count("--test-only") == trials


def test_what_fits_is_asked_once(lab: Lab, slurm: FakeSlurm) -> None:
    lab.run("-m", "x=1,2", *SLURM, "hydra.launcher.detach=true")
    questions = [call.argv for call in slurm.calls("scontrol") if "partition" in call.argv]
    assert len(questions) == 1
    assert len(slurm.jobs) == 2


@pytest.mark.parametrize("how", ["--dry-run", "hydra.launcher.resume=true"])
def test_who_submits_nothing_yet_is_not_refused_before_its_jobs_are_known(
    lab: Lab, slurm: FakeSlurm, how: str
) -> None:
    told = lab.run("-m", CANNOT_BE_COMPOSED, *SLURM, WRONG, how)
    assert "not_there" in told.err
    assert not slurm.calls("sbatch")
