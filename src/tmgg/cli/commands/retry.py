"""`tmgg-jobs retry`."""

from typing import Annotated

import typer

from tmgg.cli.options import FolderOption, JsonOption, RunsArgument


def retry(
    runs: RunsArgument,
    *,
    wait: Annotated[bool, typer.Option("--wait", help="Then wait until they have ended.")] = False,
    folder: FolderOption = None,
    as_json: JsonOption = False,
) -> None:
    """Submit failed runs again, with the same config and settings; others are left alone.

    The run keeps its id, its output folder (so it can resume from its checkpoint) and its log.
    """
    from tmgg.cli import exit_codes
    from tmgg.cli.printing import put, put_json, say
    from tmgg.cli.run_json import poll_or_raise
    from tmgg.cli.selection import find_several
    from tmgg.cli.waiting import wait_and_tell
    from tmgg.errors import RunExistsError, SubmissionError
    from tmgg.experiment_utils.cloud.reattach import Reattached

    reattached = Reattached(find_several(runs, folder))
    states = poll_or_raise(reattached)
    failed = [state.run_id for state in states if state.final and state.status == "failed"]
    alone = [state for state in states if state.run_id not in failed]
    for state in alone:
        say(f"run {state.run_id} is {state.status}; left alone")
    if not failed:
        raise RunExistsError("nothing to retry: none of these runs has failed")
    retried, refused = [], []
    for run_id in failed:
        try:
            retried.append(reattached.retry(run_id))
        except SubmissionError as error:
            refused.append({"run_id": run_id, "message": str(error)})
            say(f"run {run_id} was not submitted: {error}")
    if wait and retried:
        chosen = [run for run in reattached.runs if run.run_id in {item.run_id for item in retried}]
        code = wait_and_tell(
            Reattached(chosen), limit_s=None, cancel_on_interrupt=False, as_json=as_json
        )
        raise typer.Exit(exit_codes.FAILED if refused else code)
    if as_json:
        put_json(
            {
                "retried": [{"run_id": task.run_id, "job_id": task.job_id} for task in retried],
                "refused": refused,
                "left_alone": [{"run_id": state.run_id, "status": state.status} for state in alone],
            }
        )
    else:
        for task in retried:
            put(f"run {task.run_id} submitted again as {task.backend} job {task.job_id}")
    raise typer.Exit(exit_codes.FAILED if refused else exit_codes.OK)
