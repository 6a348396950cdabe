"""Runs that `tmgg-jobs retry` does not submit.

Another process submitted them meanwhile, or their records cannot be used.
"""

from collections.abc import Sequence

from tmgg.cli.removed import Removed
from tmgg.console import exit_codes
from tmgg.console.printing import say
from tmgg.errors import RemovedRunError, RunError, RunExistsError, UnreadableError
from tmgg.experiment_utils.cloud.runs import RunState
from tmgg.experiment_utils.cloud.runs_on_record.known_run import KnownRun
from tmgg.experiment_utils.cloud.runs_on_record.reattach import Reattached
from tmgg.experiment_utils.run_folder.attempts import AttemptRequest
from tmgg.experiment_utils.run_folder.paths import RunPaths


class NotRetried:
    """Counts why runs were not submitted, for the message if nothing was retried."""

    def __init__(self, removed: Removed) -> None:
        self._removed = removed
        self._submitted = 0
        self._still_failed = 0

    def is_left_out(self, paths: RunPaths) -> bool:
        """Whether the command has found before that the run cannot be used."""
        return paths in self._removed.errors

    def note(self, reattached: Reattached, paths: RunPaths, error: RunError) -> list[RunState]:
        """Say why a run is not submitted. Returns its state; nothing if it cannot be used."""
        found: Sequence[RunState] = []
        if isinstance(error, RunExistsError):
            try:
                found = reattached.poll([paths])
            except RunError as gone:
                error = gone
        if not isinstance(error, RunExistsError):
            self._removed.tell(paths, error)
            return []
        say(f"run {paths.run_id} is left alone: {error}")
        is_failed = all(state.final and state.status == "failed" for state in found)
        self._still_failed += is_failed
        self._submitted += not is_failed
        return list(found)

    def error(self) -> RunError:
        """The error that says why nothing was retried."""
        counts = {
            "other processes submitted {}; tmgg-jobs wait waits for them": self._submitted,
            "{} cannot be submitted now, as said above": self._still_failed,
            "{} were removed, as said above": len(self._removed.runs),
            "the records of {} cannot be used": len(self._removed.errors) - len(self._removed.runs),
        }
        sentences = [
            words.format(f"{number} of these runs") for words, number in counts.items() if number
        ]
        kind: type[RunError] = RemovedRunError
        if self._submitted or self._still_failed:
            kind = RunExistsError
        elif self._removed.exit_code == exit_codes.NO_ANSWER:
            kind = UnreadableError
        return kind(f"nothing was retried: {'; '.join(sentences)}")


def ask_for_each(
    failed: Sequence[KnownRun], settings: Sequence[str], removed: Removed
) -> dict[RunPaths, AttemptRequest]:
    """The settings that replace those on record, for each run that failed.

    Raises ConfigError as `retry_options.ask_for`, and RunError if the only run cannot be used.
    """
    if not settings:
        return {}
    from tmgg.cli.retry_options import ask_for, parse_settings  # with Hydra's parser

    given = parse_settings(settings)
    asked: dict[RunPaths, AttemptRequest] = {}
    for run in failed:
        try:
            asked[run.paths] = ask_for(run, given)
        except RunError as error:
            if len(failed) == 1:
                raise
            removed.tell(run.paths, error)
    return asked
