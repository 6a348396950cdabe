"""The words of `sbatch --test-only` and `sshare`, of each release."""

from datetime import datetime

import pytest

from tests.experiment_utils.cloud.slurm.planning.recorded import (
    REFUSALS,
    RELEASES,
    SHARES,
    STARTS,
)
from tmgg.experiment_utils.cloud.slurm.planning.answers import Start, parse_refusal, parse_start
from tmgg.experiment_utils.cloud.slurm.planning.fair_share import FairShare, parse_shares
from tmgg.experiment_utils.cloud.slurm.site.site import parse_table


@pytest.mark.parametrize("release", RELEASES)
def test_each_release_says_when_and_where_a_job_would_start(release: str) -> None:
    assert parse_start(STARTS[release]) == Start(
        at=datetime(2026, 11, 29, 4, 42, 25), processors=12, nodes="node[1-3]", partition="gpu"
    )
    assert parse_refusal(STARTS[release]) == ""


def test_an_unknown_time_is_none() -> None:
    assert parse_start("sbatch: Job 3 to start at N/A") == Start(at=None)


@pytest.mark.parametrize(
    "text", ["", "sbatch: error: Unable to contact slurm controller", *REFUSALS]
)
def test_what_says_no_start_is_none(text: str) -> None:
    assert parse_start(text) is None


@pytest.mark.parametrize(("text", "words"), REFUSALS.items())
def test_a_refusal_is_reported_in_the_sites_words_first(text: str, words: str) -> None:
    assert parse_refusal(text) == words


def test_of_a_long_refusal_both_ends_are_shown_and_what_is_cut_is_marked() -> None:
    lines = [f"sbatch: error: rule {number}" for number in range(60)]
    said = "\n".join([*lines, "x" * 5000, "allocation failure: " + "y" * 5000])
    told = parse_refusal(said)
    begun = "rule 0; rule 1; rule 2; [55 more lines]; rule 58; rule 59; yyy"
    assert told.startswith(begun)
    assert told.endswith("y ...")
    assert len(told) < len(begun) + 210


def test_no_answer_is_no_refusal() -> None:
    assert parse_refusal("sbatch: error: Unable to contact slurm controller") == ""


def test_the_shares_are_those_of_the_user_by_account() -> None:
    assert parse_shares(parse_table(SHARES), "alice") == [
        FairShare(account="research", factor=1.0, usage=0.0),
        FairShare(account="students", factor=0.333333, usage=0.25),
    ]
    assert parse_shares(parse_table(SHARES), "bob") == []
