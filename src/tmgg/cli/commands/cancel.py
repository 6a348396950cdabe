"""`tmgg-jobs cancel`."""

import typer

from tmgg.cli.options import FolderOption, JsonOption, RunsArgument


def cancel(runs: RunsArgument, *, folder: FolderOption = None, as_json: JsonOption = False) -> None:
    """End runs; ones that have ended are left alone.

    All of them with one scancel. A run that is still being submitted will not begin.
    """
    from tmgg.cli.removed import Removed
    from tmgg.cli.selection import find_several
    from tmgg.console.printing import put, put_json
    from tmgg.console.run_names import lines_of_runs, names_of_runs
    from tmgg.errors import RunError
    from tmgg.experiment_utils.cloud.runs_on_record.reattach import Reattached

    reattached = Reattached(find_several(runs, folder))
    cancelled = list(zip(reattached.runs, reattached.cancel_each(), strict=True))
    bad = {run.paths: answer for run, answer in cancelled if isinstance(answer, RunError)}
    removed = Removed()
    removed.leave_out(bad, of=len(cancelled))
    answers = {run.paths: answer is True for run, answer in cancelled if run.paths not in bad}
    code = removed.exit_code_but_for_removed  # a run whose record cannot be read may go on
    if as_json:
        runs_json = [
            {"run_id": paths.run_id, "folder": str(paths.output_dir), "cancelled": done}
            for paths, done in answers.items()
        ]
        put_json({"runs": runs_json, **removed.as_json()})
        raise typer.Exit(code)
    names = names_of_runs(list(answers))
    done = [names[paths] for paths, is_done in answers.items() if is_done]
    rest = [names[paths] for paths, is_done in answers.items() if not is_done]
    for line in (
        *lines_of_runs(done, "run {} is being cancelled".format, "are being cancelled"),
        *lines_of_runs(rest, "run {} had already ended".format, "had already ended"),
    ):
        put(line)
    raise typer.Exit(code)
