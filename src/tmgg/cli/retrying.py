"""Submitting failed runs again, one after the other."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from tmgg.cli.not_retried import NotRetried
from tmgg.console import exit_codes
from tmgg.console.printing import say
from tmgg.errors import RunError, SubmissionError, SubmissionUnknownError
from tmgg.experiment_utils.cloud.runs import RunState, SpawnedTask
from tmgg.experiment_utils.cloud.runs_on_record.reattach import Reattached
from tmgg.experiment_utils.run_folder.attempts import AttemptRequest
from tmgg.experiment_utils.run_folder.paths import RunPaths


@dataclass(slots=True)
class Retries:
    """What happened to each run."""

    retried: dict[RunPaths, SpawnedTask] = field(default_factory=dict)
    refused: list[dict[str, str]] = field(default_factory=list)
    left_alone: list[RunState] = field(default_factory=list)
    unknown: int = 0
    """How many runs in `refused` may have a job: the backend did not answer."""

    @property
    def exit_code(self) -> int:
        """The command's exit code if nothing else is wrong."""
        if len(self.refused) > self.unknown:
            return exit_codes.FAILED
        return exit_codes.NO_ANSWER if self.unknown else exit_codes.OK

    def to_json(self) -> dict[str, Any]:
        return {
            "retried": [
                {"run_id": task.run_id, "folder": str(paths.output_dir), "job_id": task.job_id}
                for paths, task in self.retried.items()
            ],
            "refused": self.refused,
            "left_alone": [
                {
                    "run_id": state.run_id,
                    "folder": str(state.output_dir),
                    "status": state.status,
                }
                for state in self.left_alone
            ],
        }


def retry_each(
    reattached: Reattached,
    failed: Sequence[RunPaths],
    asked: Mapping[RunPaths, AttemptRequest],
    not_retried: NotRetried,
) -> Retries:
    """Retry these runs. If it is only one, raises RunError and SubmissionUnknownError."""
    done = Retries()
    for paths in failed:
        if not_retried.is_left_out(paths):
            continue
        try:
            done.retried[paths] = reattached.retry(paths, asked.get(paths))
        except RunError as error:
            if len(failed) == 1:
                raise
            done.left_alone += not_retried.note(reattached, paths, error)
        except SubmissionUnknownError as error:
            if len(failed) == 1:
                raise
            done.unknown += 1
            done.refused.append(_refusal(paths, error))
            say(f"whether run {paths.run_id} was submitted is not known: {error}")
        except SubmissionError as error:
            done.refused.append(_refusal(paths, error))
            say(f"run {paths.run_id} was not submitted, and is as it was: {error}")
    return done


def _refusal(paths: RunPaths, error: SubmissionError) -> dict[str, str]:
    return {"run_id": paths.run_id, "folder": str(paths.output_dir), "message": str(error)}
