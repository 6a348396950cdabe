"""A hint speaks of the options that the run's own backend has."""

import pytest

from tmgg.experiment_utils import failures
from tmgg.experiment_utils.cloud.local_hints import LOCAL_HINTS
from tmgg.experiment_utils.cloud.modal.hints import MODAL_HINTS
from tmgg.experiment_utils.cloud.ray_jobs.hints import RAY_HINTS

ANYWHERE = [
    *failures.HINTS.values(),
    failures.CUDA_HINT,
    failures.DISK_HINT,
    failures.KILLED_HINT,
    failures.STOPPED_HINT,
    failures.UNSTARTED_HINT,
]


@pytest.mark.parametrize(
    "instead", [LOCAL_HINTS, RAY_HINTS, MODAL_HINTS], ids=["local", "ray", "modal"]
)
@pytest.mark.parametrize("hint", ANYWHERE)
def test_no_backend_but_slurm_speaks_of_slurms_options(hint: str, instead: dict[str, str]) -> None:
    assert "slurm_" not in instead.get(hint, hint)


@pytest.mark.parametrize("instead", [LOCAL_HINTS, RAY_HINTS, MODAL_HINTS])
def test_only_hints_that_there_are_can_be_replaced(instead: dict[str, str]) -> None:
    assert instead.keys() <= set(ANYWHERE)
