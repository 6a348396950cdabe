"""What the keys do to runs. Each function blocks, so it is called in a thread; returns a text."""

from collections.abc import Sequence

from tmgg.cli.explaining import explain_run
from tmgg.cli.selection import titles_of
from tmgg.cli.top.snapshot import ShownRun
from tmgg.console.causes import group_by_cause, render_causes
from tmgg.console.overrides import in_short
from tmgg.console.run_names import names_of_runs
from tmgg.errors import RemovedRunError, RunError, TmggError
from tmgg.experiment_utils.cloud.runs_on_record.reattach import Reattached


def cancel(runs: Sequence[ShownRun]) -> str:
    """Cancel the runs that go on. Raises BackendError if that fails."""
    answers = Reattached([run.known for run in runs if run.is_open]).cancel_each()
    cancelled = sum(answer is True for answer in answers)
    gone = sum(isinstance(answer, RemovedRunError) for answer in answers)
    bad = sum(isinstance(answer, RunError) for answer in answers) - gone
    left = f"; {gone} were removed meanwhile" if gone else ""
    left += f"; the records of {bad} cannot be used" if bad else ""
    return f"{cancelled} of {len(answers)} runs are being cancelled{left}"


def retry(runs: Sequence[ShownRun]) -> str:
    """Submit the failed runs again. A run that is refused does not stop the others."""
    failed = [run for run in runs if run.has_failed]
    reattached = Reattached([run.known for run in failed])
    refused: list[str] = []
    for run in failed:
        try:
            reattached.retry(run.known.paths)
        except TmggError as error:
            refused.append(f"run {run.run_id} was not submitted: {error}")
    done = f"{len(failed) - len(refused)} of {len(failed)} failed runs are submitted again"
    return "\n".join([done, *refused[:3], *(["..."] if len(refused) > 3 else [])])


def explain(runs: Sequence[ShownRun]) -> str:
    """For one run, what `explain` says; for several runs, the causes. Asks no scheduler."""
    if len(runs) == 1:
        return _explain_one(runs[0])
    known = [(run.known, run.state) for run in runs if run.state is not None]
    titles = in_short(titles_of([run for run, _state in known]))
    apart = names_of_runs([run.paths for run, _state in known])
    names = [f"{apart[run.paths]}  {titles.get(run.paths, '')}".rstrip() for run, _state in known]
    causes = render_causes(group_by_cause(state for _run, state in known), names)
    return causes or "None of these runs has failed."


def _explain_one(run: ShownRun) -> str:
    if run.state is None:
        return str(run.found)
    told = explain_run(run.known, run.state)
    lines = [told["summary"]]
    for reason in told["reasons"]:
        lines += ["", f"{reason['reason']}: {reason['words']}", f"  {reason['advice']}"]
    if told["estimated_start"]:
        lines += ["", f"Slurm expects it to start at {told['estimated_start']}."]
    if told["failure"]:
        lines += ["", told["failure"]["message"]]
    if told["evidence"]:
        lines += ["", "From its logs:", *(f"  {line}" for line in told["evidence"])]
    if told["failure"]:
        lines += ["", f"HINT: {told['failure']['hint']}"]
    return "\n".join(lines)
