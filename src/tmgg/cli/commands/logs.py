"""`tmgg-jobs logs`."""

from typing import TYPE_CHECKING, Annotated

import typer

from tmgg.cli.options import FolderOption, RunArgument

if TYPE_CHECKING:
    from tmgg.cli.meanings import Meaning
    from tmgg.experiment_utils.cloud.judging.polling import Found
    from tmgg.experiment_utils.run_folder.paths import RunPaths

LINES_OF_A_CAUSE = 20
"""How much of a failed run's log is printed for its cause; --lines changes it."""


def logs(
    run: RunArgument,
    *,
    follow: Annotated[
        bool,
        typer.Option(
            "--follow",
            "-f",
            help="Follow the log until the run ends; Ctrl-C ends only the command.",
        ),
    ] = False,
    stderr: Annotated[bool, typer.Option("--stderr", help="The job's stderr.")] = False,
    lines: Annotated[
        int | None, typer.Option("--lines", "-n", min=0, help="Only the last N lines.")
    ] = None,
    rank: Annotated[
        int | None,
        typer.Option(
            "--rank", min=0, help="What this rank printed (for a run with several ranks)."
        ),
    ] = None,
    folder: FolderOption = None,
) -> None:
    """Print what a run's job printed; of a sweep, a log for each failure.

    With --follow the exit code says how the run ended: 0 completed, 1 failed.
    """
    from tmgg.cli.following import LogReader, follow_run
    from tmgg.cli.rank_log import log_of_rank
    from tmgg.cli.selection import find_meant
    from tmgg.cli.waiting import interruptible
    from tmgg.console.printing import say
    from tmgg.errors import ConfigError, RemovedRunError
    from tmgg.experiment_utils.cloud.runs_on_record.known_run import read_known_run
    from tmgg.experiment_utils.cloud.runs_on_record.reattach import Reattached
    from tmgg.experiment_utils.run_folder.removed_runs import refuse_removed

    meaning = find_meant(run, folder)
    if not meaning.is_one_run:
        if follow:
            raise ConfigError(
                f"{run!r} means {len(meaning.runs)} runs, but -f follows one log only, for "
                f"example tmgg-jobs logs -f {meaning.runs[0].run_id}"
            )
        _put_logs(meaning, lines=lines, stderr=stderr, rank=rank)
        return
    chosen = read_known_run(meaning.runs[0])
    if isinstance(chosen.record, RemovedRunError):
        raise chosen.record
    reattached, paths = Reattached([chosen]), chosen.paths
    log = paths.stdout if rank is None else log_of_rank(paths, rank)
    reader = LogReader(paths.stderr if stderr and not rank else log)
    with interruptible(reattached):
        if not reader.start_at_last(lines):
            refuse_removed(paths)
            say(f"{reader.path} is not there{_why_absent(reattached.poll_all()[0])}")
        if not reader.copy():
            refuse_removed(paths)
        if follow:
            raise typer.Exit(follow_run(reattached, reader))
        if not stderr and rank is None:
            _put_end_of_stderr(chosen.run_id, paths, reattached.poll_all()[0])


def _put_end_of_stderr(run_id: str, paths: "RunPaths", found: "Found") -> None:
    """Print the end of a failed run's stderr, where its traceback is.

    Raises RemovedRunError if the run was removed meanwhile.
    """
    from tmgg.cli.following import LogReader
    from tmgg.console.printing import say
    from tmgg.errors import RemovedRunError, RunError
    from tmgg.experiment_utils.run_folder.removed_runs import refuse_removed

    if isinstance(found, RemovedRunError):
        raise found
    if isinstance(found, RunError) or found.status != "failed":
        return
    reader = LogReader(paths.stderr)
    if not reader.start_at_last(LINES_OF_A_CAUSE):
        refuse_removed(paths)
        return
    say(f"==> the end of its standard error (tmgg-jobs logs {run_id} --stderr has all) <==")
    if not reader.copy():
        refuse_removed(paths)


def _why_absent(found: "Found") -> str:
    from tmgg.errors import RunError

    if isinstance(found, RunError):
        return f": {found}"
    if not found.final:
        return " yet: the job has not begun"
    return ": the run ended before its job began, or somebody removed the file"


def _put_logs(meaning: "Meaning", *, lines: int | None, stderr: bool, rank: int | None) -> None:
    """Print the end of one log for each cause of failures."""
    from tmgg.cli.following import LogReader
    from tmgg.cli.rank_log import log_of_rank
    from tmgg.cli.sweep_view import view_sweep
    from tmgg.console.printing import put, say
    from tmgg.console.streams import finish_answers
    from tmgg.errors import RemovedRunError
    from tmgg.experiment_utils.run_folder.removed_runs import is_removed

    view = view_sweep(meaning)
    say(view.summary())
    if not view.causes:
        say("no run failed; tmgg-jobs logs RUN prints the log of one")
    by_id = {run.run_id: run.paths for run in view.runs}
    states = {state.run_id: state for state in view.states}
    for cause in view.causes:
        run_id = cause.run_ids[0]
        paths = by_id[run_id]
        others = len(cause.run_ids) - 1
        more = f", and {others} more failed so" if others else ""
        put(f"==> {view.names[run_id]} ({cause.failure.kind}{more}) <==")
        finish_answers()  # flush it: the log is written to the binary buffer below
        log = paths.stdout if rank is None else log_of_rank(paths, rank)
        reader = LogReader(paths.stderr if stderr and not rank else log)
        if reader.start_at_last(LINES_OF_A_CAUSE if lines is None else lines):
            reader.copy()
            if not stderr and rank is None:
                try:
                    _put_end_of_stderr(run_id, paths, states[run_id])
                except RemovedRunError as error:
                    say(str(error))
        else:
            why = ": the run was removed" if is_removed(paths) else _why_absent(states[run_id])
            say(f"{reader.path} is not there{why}")
