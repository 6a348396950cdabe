"""`tmgg-jobs cancel`."""

import typer

from tmgg.cli.options import FolderOption, JsonOption, RunsArgument


def cancel(runs: RunsArgument, *, folder: FolderOption = None, as_json: JsonOption = False) -> None:
    """End runs; ones that have ended are left alone.

    All of them with one scancel. A run that is still being submitted will not begin.
    """
    from tmgg.cli.removed import Removed, refuse_when_all
    from tmgg.cli.selection import find_several
    from tmgg.console.printing import put, put_json
    from tmgg.console.run_names import lines_of_runs
    from tmgg.errors import RunError
    from tmgg.experiment_utils.cloud.runs_on_record.reattach import Reattached

    reattached = Reattached(find_several(runs, folder))
    cancelled = list(zip(reattached.runs, reattached.cancel_each(), strict=True))
    bad = {run.run_id: answer for run, answer in cancelled if isinstance(answer, RunError)}
    refuse_when_all(list(bad.values()), of=len(cancelled))
    removed = Removed()
    for run_id, error in bad.items():
        removed.tell(run_id, error)
    answers = {run.run_id: answer is True for run, answer in cancelled if run.run_id not in bad}
    code = removed.exit_code_but_for_removed  # what cannot be read may go on
    if as_json:
        runs_json = [{"run_id": run_id, "cancelled": done} for run_id, done in answers.items()]
        put_json({"runs": runs_json, **removed.as_json()})
        raise typer.Exit(code)
    done = [run_id for run_id, is_done in answers.items() if is_done]
    rest = [run_id for run_id, is_done in answers.items() if not is_done]
    for line in (
        *lines_of_runs(done, "run {} is being cancelled".format, "are being cancelled"),
        *lines_of_runs(rest, "run {} had already ended".format, "had already ended"),
    ):
        put(line)
    raise typer.Exit(code)
