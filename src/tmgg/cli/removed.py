"""Runs that a command cannot use, because they were removed or their records are damaged.

The command names them and goes on with the others.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from tmgg.cli.run_json import status_of
from tmgg.console import exit_codes
from tmgg.console.printing import say
from tmgg.errors import RemovedRunError, RunError
from tmgg.experiment_utils.cloud.runs import ExperimentResult, RunState
from tmgg.experiment_utils.cloud.runs_on_record.reattach import Reattached
from tmgg.experiment_utils.run_folder.paths import RunPaths


class Removed:
    """The runs that one command leaves out."""

    def __init__(self) -> None:
        self.errors: dict[RunPaths, RunError] = {}

    def __bool__(self) -> bool:
        return bool(self.errors)

    @property
    def runs(self) -> list[RunPaths]:
        """The runs that were removed."""
        return [each for each, error in self.errors.items() if isinstance(error, RemovedRunError)]

    @property
    def exit_code(self) -> int:
        """The command's exit code if nothing else is wrong."""
        return _worst_code(self.errors.values())

    @property
    def exit_code_but_for_removed(self) -> int:
        """The same without removed runs, for a command that has nothing to do for them."""
        found = [each for each in self.errors.values() if not isinstance(each, RemovedRunError)]
        return _worst_code(found)

    def tell(self, paths: RunPaths, error: RunError) -> None:
        """Say on standard error that a run is left out, once for each run."""
        if paths not in self.errors:
            self.errors[paths] = error
            say(f"run {paths.run_id} is left out: {error}")

    def leave_out(self, bad: Mapping[RunPaths, RunError], *, of: int) -> None:
        """Call `tell` for each of these runs. Raises RunError as `refuse_when_all`."""
        refuse_when_all(list(bad.values()), of=of)
        for paths, error in bad.items():
            self.tell(paths, error)

    def as_json(self) -> dict[str, list[Any]]:
        """Additional keys of the command's JSON document; none if no run is left out."""
        left_out = [
            {
                "run_id": paths.run_id,
                "folder": str(paths.output_dir),
                "status": status_of(error),
                "problem": str(error),
            }
            for paths, error in self.errors.items()
            if not isinstance(error, RemovedRunError)
        ]
        gone = [paths.run_id for paths in self.runs]
        return ({"removed": gone} if gone else {}) | ({"left_out": left_out} if left_out else {})


def poll_present(reattached: Reattached, removed: Removed) -> tuple[Reattached, list[RunState]]:
    """The runs whose records can be used, and how they stand.

    Raises RunError if there is no such run.
    """
    found = list(zip(reattached.runs, reattached.poll_all(), strict=True))
    bad = {run.paths: state for run, state in found if isinstance(state, RunError)}
    removed.leave_out(bad, of=len(found))
    states = [state for _run, state in found if isinstance(state, RunState)]
    left = [run for run, _state in found if run.paths not in bad]
    return Reattached(left) if bad else reattached, states


def collect_present(
    reattached: Reattached, states: Sequence[RunState], removed: Removed
) -> dict[RunPaths, ExperimentResult]:
    """The results of the runs that have ended. Raises as `poll_present`."""
    results: dict[RunPaths, ExperimentResult] = {}
    bad: dict[RunPaths, RunError] = {}
    for run, state in zip(reattached.runs, states, strict=True):
        if state.final:
            try:
                results[run.paths] = reattached.collect(run.paths)
            except RunError as error:
                bad[run.paths] = error
    removed.leave_out(bad, of=len(states))
    return results


def _worst_code(errors: Iterable[RunError]) -> int:
    return max(map(exit_codes.exit_code_of, errors), default=exit_codes.OK)


def refuse_when_all(bad: Sequence[RunError], *, of: int) -> None:
    """Raise RunError if there is an error for each of the `of` runs that were asked for."""
    if not bad or len(bad) < of:
        return
    gone = [error for error in bad if isinstance(error, RemovedRunError)]
    if of == 1 or len(gone) < of:
        raise next((each for each in bad if each not in gone), bad[0])
    raise RemovedRunError(
        f"all {of} runs were removed, as tmgg-jobs gc does, for example {gone[0].run_id}"
    )
