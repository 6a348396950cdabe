"""Why the runs of a batch will not run as part of that batch."""

import logging

from tmgg.errors import AbandonedError, RecordError
from tmgg.experiment_utils.files.atomic_file import write_json
from tmgg.experiment_utils.files.trust import read_json
from tmgg.experiment_utils.run_folder.failures import Failure
from tmgg.experiment_utils.run_folder.paths import LAYOUT_VERSION, BatchPaths
from tmgg.experiment_utils.run_folder.registry import launcher_is_over, load_intent

log = logging.getLogger(__name__)


def adopt_waiting(batch: BatchPaths) -> None:
    """Raises AbandonedError if the launcher of the sweep has ended, so it submits no more runs."""
    if launcher_is_over(batch, load_intent(batch)):
        raise AbandonedError(
            "the launcher of the sweep ended before this run's turn came. `tmgg-jobs retry "
            f"{batch.name}` submits it."
        )


def save_batch_refusal(batch: BatchPaths, why: Failure) -> None:
    """Note why the runs of a batch will not run as part of it. Raises OSError."""
    write_json(batch.refusal, {"version": LAYOUT_VERSION, **why.to_json()})


def read_refusal(batch: BatchPaths) -> Failure | None:
    """The refusal on record; None if there is none or it is damaged. Raises OSError."""
    try:
        value = read_json(batch.refusal)
        return None if value is None else Failure.from_json(value, what=str(batch.refusal))
    except RecordError as error:
        log.warning("%s", error)
        return None
