"""`tmgg-jobs plan`: when the job would start in each partition, and what it costs."""

from pathlib import Path

import pytest

from tests.fakes.slurm.fake import FakeSlurm
from tests.jobs.conftest import Jobs

SILENT = "sbatch: error: Unable to contact slurm controller (connect failure)"
OPTIONS = ("slurm_nodes=1", "slurm_cpus_per_task=2", "slurm_mem_per_cpu=1GB")


def test_each_partition_has_a_row_and_the_earliest_is_named(
    empty: Path, tmgg_jobs: Jobs, slurm: FakeSlurm
) -> None:
    slurm.configure(starts={"gpu": "2099-11-24T08:00:00"})
    slurm.add_rule("licenses", "No licenses here.")
    told = tmgg_jobs("plan", *OPTIONS)
    assert told.code == 0
    lines = told.out.splitlines()
    assert lines[0] == "1 run x 1 node x 8 h: up to 8 node-hours, 8 GPU-hours"
    assert lines[1].split()[:2] == ["partition", "GPU"]
    assert "2099-11-24 08:00 (in " in lines[2]
    assert lines[3].split() == ["batch", "any", "now", "8", "8"]
    assert "earliest: slurm_partition=batch" in told.out
    assert "fair share of account research: 0.750 (1 is best), 25.0% of the" in told.out
    assert not slurm.jobs


def test_each_model_of_a_partition_is_tried(empty: Path, tmgg_jobs: Jobs, slurm: FakeSlurm) -> None:
    slurm.configure(
        partitions=["gpu"],
        nodes=["n1|8|64000|gpu:a100:4|idle|(null)", "n2|8|64000|gpu:v100:4|idle|(null)"],
        partition_settings={"gpu": {"TRESBillingWeights": "CPU=1,GRES/gpu:a100=10"}},
    )
    found = tmgg_jobs("plan", *OPTIONS, "slurm_exclusive=false", "--runs", "2", "--json").json
    by_model = {each["gpu_type"]: each["billing_hours"] for each in found["choices"]}
    assert by_model == {None: 32.0, "a100": 192.0, "v100": 32.0}
    scripts = [call.argv[1] for call in slurm.calls("sbatch")]
    assert scripts == ["--test-only"] * 3


def test_a_job_that_starts_nowhere_is_reported_with_the_sites_words(
    empty: Path, tmgg_jobs: Jobs, slurm: FakeSlurm
) -> None:
    slurm.add_rule("account", "Name an account.", allowed=())
    told = tmgg_jobs("plan", *OPTIONS, "slurm_partition=auto")
    assert told.code == 1
    assert told.out.count("Name an account.") == 3
    assert "would start in none" in told.out


def test_where_slurm_does_not_answer_nothing_is_said_of_a_start(
    empty: Path, tmgg_jobs: Jobs, slurm: FakeSlurm
) -> None:
    slurm.break_command("sbatch --test-only", times=None, stdout="", stderr=SILENT, exit_code=1)
    told = tmgg_jobs("plan", *OPTIONS)
    assert told.code == 4
    assert "Whether the job would start is not known" in told.out
    assert "in none of them" not in told.out


def test_one_place_that_is_not_known_may_be_where_the_job_starts(
    empty: Path, tmgg_jobs: Jobs, slurm: FakeSlurm
) -> None:
    slurm.add_rule("account", "Name an account.", allowed=())
    slurm.break_command("sbatch --test-only", stdout="", stderr=SILENT, exit_code=1)
    told = tmgg_jobs("plan", *OPTIONS)
    assert "Name an account." in told.out
    assert (told.code, "is not known" in told.out) == (4, True)


def test_without_accounting_the_share_is_not_known(
    empty: Path, tmgg_jobs: Jobs, slurm: FakeSlurm
) -> None:
    slurm.configure(accounting="absent")
    told = tmgg_jobs("plan", *OPTIONS)
    assert told.code == 0
    assert "fair share: not known (" in told.out


def test_not_more_than_so_many_questions_are_asked(
    empty: Path, tmgg_jobs: Jobs, slurm: FakeSlurm
) -> None:
    slurm.configure(partitions=[f"p{number}" for number in range(30)])
    found = tmgg_jobs("plan", *OPTIONS, "--json").json
    assert len(slurm.calls("sbatch")) == 24
    assert found["choices"][-1]["unknown"].startswith("not asked")


def test_a_controller_that_does_not_answer_ends_it(
    empty: Path, tmgg_jobs: Jobs, slurm: FakeSlurm
) -> None:
    slurm.configure(controller="down")
    told = tmgg_jobs("plan", *OPTIONS)
    assert told.code == 4
    assert "Unable to contact" in told.err


@pytest.mark.parametrize("wrong", ["slurm_nodes=0", "slurm_x=1"])
def test_options_that_cannot_be_are_misuse(
    empty: Path, tmgg_jobs: Jobs, slurm: FakeSlurm, wrong: str
) -> None:
    assert tmgg_jobs("plan", wrong).code == 2
