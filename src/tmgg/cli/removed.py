"""Runs that somebody removes while a command looks at them. The command names them and goes on."""

from collections.abc import Sequence

from tmgg.console.printing import say
from tmgg.errors import RemovedRunError
from tmgg.experiment_utils.cloud.judging.polling import state_or_raise
from tmgg.experiment_utils.cloud.runs import ExperimentResult, RunState
from tmgg.experiment_utils.cloud.runs_on_record.reattach import Reattached


class Removed:
    """The removed runs that one command met."""

    def __init__(self) -> None:
        self.run_ids: list[str] = []

    def __bool__(self) -> bool:
        return bool(self.run_ids)

    def tell(self, error: RemovedRunError) -> None:
        """Say it on standard error, once for each run."""
        if error.run_id not in self.run_ids:
            self.run_ids.append(error.run_id)
            say(f"run {error.run_id} is left out: {error}")

    def as_json(self) -> dict[str, list[str]]:
        """A key beside the others, where there are any."""
        return {"removed": self.run_ids} if self else {}


def poll_present(reattached: Reattached, removed: Removed) -> tuple[Reattached, list[RunState]]:
    """The runs that are still on record, and how they stand.

    Raises RunError for a damaged one, and RemovedRunError where none is left.
    """
    found = list(zip(reattached.runs, reattached.poll_all(), strict=True))
    gone = [state for _run, state in found if isinstance(state, RemovedRunError)]
    refuse_when_all(gone, of=len(found))
    for error in gone:
        removed.tell(error)
    present = [(run, state) for run, state in found if not isinstance(state, RemovedRunError)]
    states = [state_or_raise(state) for _run, state in present]
    return Reattached([run for run, _state in present]) if gone else reattached, states


def collect_present(
    reattached: Reattached, states: Sequence[RunState], removed: Removed
) -> dict[str, ExperimentResult]:
    """The results of those that have ended, by run id. Raises as `poll_present`."""
    results: dict[str, ExperimentResult] = {}
    gone: list[RemovedRunError] = []
    for state in states:
        if state.final:
            try:
                results[state.run_id] = reattached.collect(state.run_id)
            except RemovedRunError as error:
                gone.append(error)
    refuse_when_all(gone, of=len(states))
    for each in gone:
        removed.tell(each)
    return results


def refuse_when_all(gone: Sequence[RemovedRunError], *, of: int) -> None:
    """Raises RemovedRunError when that is what became of all runs that were asked for."""
    if gone and len(gone) == of:
        raise (
            gone[0]
            if of == 1
            else RemovedRunError(
                f"all {of} runs were removed meanwhile, as tmgg-jobs gc does, for example "
                f"{gone[0].run_id}"
            )
        )
