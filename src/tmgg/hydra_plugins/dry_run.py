"""Whether this process only shows what it would do: `tmgg-experiment --dry-run`."""

import contextlib
from collections.abc import Iterator, Sequence
from typing import NoReturn

from tmgg.console import exit_codes
from tmgg.console.printing import put
from tmgg.experiment_utils.cloud.runner import CloudRunner
from tmgg.experiment_utils.cloud.runs import TaskRequest
from tmgg.experiment_utils.cloud.runs_on_record.requests import as_request
from tmgg.experiment_utils.run_folder.task import target_of

_requested = False


@contextlib.contextmanager
def dry_run() -> Iterator[None]:
    """Inside, every launcher shows what it would submit, and submits nothing."""
    global _requested
    _requested = True
    try:
        yield
    finally:
        _requested = False


def is_dry_run() -> bool:
    return _requested


def print_dry_run(
    runner: CloudRunner, requests: Sequence[TaskRequest], titles: Sequence[str] = ()
) -> None:
    """Print what would be submitted, in full if the runner can render it."""
    for index, request in enumerate(requests):
        title = f"# {index + 1} of {len(requests)}: {titles[index]}\n" if titles else ""
        script = _render(runner, as_request(request)).rstrip()
        put(f"{title}{script}\n")
    put(f"# dry run: nothing was submitted, {_what_was_written()}")


def end_dry_run() -> NoReturn:
    """End the process: the sweeper would choose its next jobs by the values of these jobs."""
    put("# the sweeper may choose more jobs, by the values of these")
    raise SystemExit(exit_codes.OK)


def _what_was_written() -> str:
    if _requested:
        return "nothing was written"
    # In other apps than tmgg-experiment, the sweeper wrote it before it called the launcher.
    return "TMGG wrote nothing; Hydra itself may have written multirun.yaml into hydra.sweep.dir"


def _render(runner: CloudRunner, request: TaskRequest) -> str:
    render = getattr(runner, "render_dry_run", None)
    if render is not None:
        return str(render(request))
    what = request.target or target_of(request.config)
    where = "in a process of its own on this machine" if runner.backend == "local" else "as a job"
    return (
        f"# run {request.run_id} would start {what} {where} "
        f"({runner.backend} backend, timeout_seconds={request.timeout_seconds})"
    )
