"""Which words of `sbatch --test-only` end a launch; they were recorded on three releases."""

import pytest

from tests.experiment_utils.cloud.slurm.planning.recorded import DEFINITE, MAY_PASS
from tmgg.experiment_utils.cloud.slurm.definite_refusals import is_definite, is_up_to_nodes


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
