"""Runs of `tmgg-jobs retry` that another process submits or removes at the same time."""

from collections.abc import Sequence

from tmgg.cli.removed import Removed
from tmgg.console.printing import say
from tmgg.errors import RemovedRunError, RunError, RunExistsError
from tmgg.experiment_utils.cloud.runs import RunState
from tmgg.experiment_utils.cloud.runs_on_record.known_run import KnownRun
from tmgg.experiment_utils.cloud.runs_on_record.reattach import Reattached
from tmgg.experiment_utils.run_folder.attempts import AttemptRequest


class NotRetried:
    """Why each was left alone, for the words when nothing was retried."""

    def __init__(self, removed: Removed) -> None:
        self._removed = removed
        self._submitted = 0
        self._still_failed = 0

    def is_removed(self, run_id: str) -> bool:
        """Whether the command met it as removed already."""
        return run_id in self._removed.run_ids

    def note(
        self, reattached: Reattached, run_id: str, error: RunExistsError | RemovedRunError
    ) -> list[RunState]:
        """Say why; how the run stands now, unless it was removed."""
        found: Sequence[RunState] = []
        if isinstance(error, RunExistsError):
            try:
                found = reattached.poll([run_id])
            except RemovedRunError as gone:
                error = gone
        if isinstance(error, RemovedRunError):
            self._removed.tell(run_id, error)
            return []
        say(f"run {run_id} is left alone: {error}")
        is_failed = all(state.final and state.status == "failed" for state in found)
        self._still_failed += is_failed
        self._submitted += not is_failed
        return list(found)

    def error(self) -> RunError:
        """Why nothing was retried."""
        counts = {
            "other processes submitted {}; tmgg-jobs wait waits for them": self._submitted,
            "{} cannot be submitted now, as said above": self._still_failed,
            "{} were removed, as said above": len(self._removed.run_ids),
            "the records of {} cannot be used": len(self._removed.errors)
            - len(self._removed.run_ids),
        }
        sentences = [
            words.format(f"{number} of these runs") for words, number in counts.items() if number
        ]
        kind = RunExistsError if self._submitted or self._still_failed else RemovedRunError
        return kind(f"nothing was retried: {'; '.join(sentences)}")


def ask_for_each(
    runs: Sequence[KnownRun], failed: Sequence[str], settings: Sequence[str], removed: Removed
) -> dict[str, AttemptRequest]:
    """What is asked for beside the record, by run id. Raises as `retry_options.ask_for`."""
    if not settings:
        return {}
    from tmgg.cli.retry_options import ask_for, parse_settings  # with Hydra's parser

    given = parse_settings(settings)
    asked: dict[str, AttemptRequest] = {}
    for run in runs:
        if run.run_id in failed:
            try:
                asked[run.run_id] = ask_for(run, given)
            except RemovedRunError as error:
                if len(failed) == 1:
                    raise
                removed.tell(run.run_id, error)
    return asked
