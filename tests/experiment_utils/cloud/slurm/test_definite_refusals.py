"""Which words of `sbatch --test-only` end a launch; they were recorded on three releases."""

import pytest

from tests.experiment_utils.cloud.slurm.planning.recorded import DEFINITE, MAY_PASS
from tmgg.experiment_utils.cloud.slurm.definite_refusals import (
    confirms_doubts,
    is_definite,
    is_up_to_nodes,
)


@pytest.mark.parametrize("said", DEFINITE)
def test_what_only_a_change_can_mend_is_definite(said: str) -> None:
    assert is_definite(said)
    assert not is_up_to_nodes(said)


@pytest.mark.parametrize("said", MAY_PASS)
def test_what_may_pass_or_is_not_known_is_not_definite(said: str) -> None:
    assert not is_definite(said)


def test_the_words_for_nodes_that_do_not_fit_are_also_those_for_nodes_that_are_out() -> None:
    assert is_up_to_nodes(MAY_PASS[0])
    assert not is_up_to_nodes("sbatch: error: Requested node configuration is not available")


@pytest.mark.parametrize(
    "words",
    [
        "Node count specification invalid",
        "Requested partition configuration not available now",
        "Requested time limit is invalid (missing or exceeds some limit)",
        "User's group not permitted to use this partition",
    ],
)
def test_words_about_a_request_that_fits_no_partition_confirm_doubts(words: str) -> None:
    assert confirms_doubts(f"allocation failure: {words}")


@pytest.mark.parametrize("said", MAY_PASS[1:])
def test_words_about_something_else_confirm_no_doubts(said: str) -> None:
    assert not confirms_doubts(said)
