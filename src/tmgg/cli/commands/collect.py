"""`tmgg-jobs collect`."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import typer

from tmgg.cli.options import FolderOption, JsonOption, RunsArgument

if TYPE_CHECKING:
    from tmgg.experiment_utils.cloud.runs import ExperimentResult


def collect(
    runs: RunsArgument, *, folder: FolderOption = None, as_json: JsonOption = False
) -> None:
    """Print the results of runs that have ended: metrics, and why failed ones failed.

    Runs that go on are named on stderr, and the exit code is then 2: wait for them first.
    """
    from tmgg.cli import exit_codes
    from tmgg.cli.printing import put_json, say
    from tmgg.cli.run_json import poll_or_raise
    from tmgg.cli.selection import find_several
    from tmgg.experiment_utils.cloud.reattach import Reattached

    reattached = Reattached(find_several(runs, folder))
    states = poll_or_raise(reattached)
    results = [reattached.collect(state.run_id) for state in states if state.final]
    open_ids = [state.run_id for state in states if not state.final]
    if as_json:
        results_json = [_result_json(result) for result in results]
        put_json({"results": results_json, "not_ended": open_ids})
    else:
        _put_results(results)
    for run_id in open_ids:
        say(f"run {run_id} has not ended; tmgg-jobs wait {run_id}")
    if open_ids:
        raise typer.Exit(exit_codes.MISUSE)
    failed = any(result.status == "failed" for result in results)
    raise typer.Exit(exit_codes.FAILED if failed else exit_codes.OK)


def _result_json(result: "ExperimentResult") -> dict[str, Any]:
    from dataclasses import asdict

    return asdict(result)


def _put_results(results: "Sequence[ExperimentResult]") -> None:
    from tmgg.cli.printing import put_table, say
    from tmgg.cli.report import render_number
    from tmgg.cli.time_words import render_duration

    names = list(dict.fromkeys(name for result in results for name in result.metrics))
    rows = [
        [
            result.run_id,
            result.status,
            render_duration(result.duration_seconds),
            *(
                render_number(result.metrics[name]) if name in result.metrics else ""
                for name in names
            ),
            result.failure.kind if result.failure else "",
        ]
        for result in results
    ]
    put_table(("run", "status", "time", *names, "failure"), rows)
    failed = [result for result in results if result.failure is not None]
    if len(results) == 1 and failed:
        say(f"{failed[0].error_message}")
    elif failed:
        say(f"{len(failed)} of {len(results)} failed; tmgg-jobs explain RUN tells why")
