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
    from tmgg.errors import RemovedRunError
    from tmgg.experiment_utils.cloud.runs_on_record.reattach import Reattached

    reattached = Reattached(find_several(runs, folder))
    cancelled = reattached.cancel_each()
    gone = [answer for answer in cancelled if isinstance(answer, RemovedRunError)]
    refuse_when_all(gone, of=len(cancelled))
    removed = Removed()
    for error in gone:
        removed.tell(error)
    answers = [
        (run, answer is True)
        for run, answer in zip(reattached.runs, cancelled, strict=True)
        if not isinstance(answer, RemovedRunError)
    ]
    if as_json:
        runs_json = [{"run_id": run.run_id, "cancelled": done} for run, done in answers]
        put_json({"runs": runs_json, **removed.as_json()})
        raise typer.Exit
    for run, done in answers:
        put(f"run {run.run_id} {'is being cancelled' if done else 'had already ended'}")
