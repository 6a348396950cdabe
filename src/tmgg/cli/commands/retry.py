"""`tmgg-jobs retry`."""

from typing import Annotated

import typer

from tmgg.cli.options import FolderOption, JsonOption, RunsArgument


def retry(
    runs: RunsArgument,
    *,
    wait: Annotated[bool, typer.Option("--wait", help="Then wait until they have ended.")] = False,
    settings: Annotated[
        list[str] | None,
        typer.Option(
            "--set",
            metavar="KEY=VALUE",
            help="Another option for the next attempt, with the launcher's name for it, for "
            "example slurm_mem_per_cpu=8GB; may be repeated.",
        ),
    ] = None,
    folder: FolderOption = None,
    as_json: JsonOption = False,
) -> None:
    """Submit failed runs again; others are left alone.

    The run keeps its id, its config, its output folder (so it can resume from its checkpoint) and
    its log. Its options are those of its last attempt, but for those given with --set. Modules and
    scripts are loaded when it starts, so it runs the code of today; only code that is in no file
    (a notebook's, for example) is that of the record.
    """
    from tmgg.cli.not_retried import NotRetried, ask_for_each
    from tmgg.cli.rankings import ranking_of_meanings
    from tmgg.cli.removed import Removed, poll_present
    from tmgg.cli.retrying import retry_each
    from tmgg.cli.selection import select
    from tmgg.cli.waiting import wait_and_tell
    from tmgg.console.printing import put, put_json, say
    from tmgg.console.run_names import lines_of_runs, names_of_runs
    from tmgg.errors import RunExistsError
    from tmgg.experiment_utils.cloud.runs_on_record.reattach import Reattached

    selection = select(runs, folder)
    removed = Removed()
    not_retried = NotRetried(removed)
    reattached, states = poll_present(Reattached(selection.runs), removed)
    names = names_of_runs([run.paths for run in reattached.runs])
    pairs = list(zip(reattached.runs, states, strict=True))
    failed = [run for run, state in pairs if state.final and state.status == "failed"]
    others = [(run, state) for run, state in pairs if run not in failed]
    for status in dict.fromkeys(state.status for _run, state in others):
        left = [names[run.paths] for run, state in others if state.status == status]
        one = f"run {{}} is {status}; left alone".format
        for line in lines_of_runs(left, one, f"are {status} and left alone"):
            say(line)
    if not failed and removed:
        raise not_retried.error()
    if not failed:
        raise RunExistsError("nothing to retry: none of these runs has failed")
    # All are checked before the first is submitted.
    asked = ask_for_each(failed, settings or [], removed)
    done = retry_each(reattached, [run.paths for run in failed], asked, not_retried)
    if wait and done.retried:
        chosen = [run for run in reattached.runs if run.paths in done.retried]
        ranking = ranking_of_meanings(selection.meanings)
        code = wait_and_tell(
            Reattached(chosen),
            ranking,
            limit_s=None,
            cancel_on_interrupt=False,
            as_json=as_json,
            removed=removed,
        )
        raise typer.Exit(done.exit_code or code)
    if not (done.retried or done.refused):
        raise not_retried.error()
    if as_json:
        done.left_alone[:0] = [state for _run, state in others]
        put_json({**done.to_json(), **removed.as_json()})
    else:
        jobs = {
            names[paths]: f"{task.backend} job {task.job_id}"
            for paths, task in done.retried.items()
        }
        for line in lines_of_runs(
            list(jobs),
            lambda name: f"run {name} submitted again as {jobs[name]}",
            "submitted again",
        ):
            put(line)
    raise typer.Exit(done.exit_code or removed.exit_code_but_for_removed)
