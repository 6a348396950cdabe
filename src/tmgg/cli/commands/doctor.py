"""`tmgg-jobs doctor`."""

from typing import TYPE_CHECKING, Annotated

import typer

from tmgg.cli.options import JsonOption, LauncherFileOption, LauncherOverridesArgument

if TYPE_CHECKING:
    from tmgg.experiment_utils.cloud.slurm.site.doctor.findings import Finding


def doctor(
    overrides: LauncherOverridesArgument = None,
    *,
    config: LauncherFileOption = None,
    job: Annotated[
        bool, typer.Option("--job/--no-job", help="Whether to look at the nodes with short jobs.")
    ] = True,
    start: Annotated[
        bool,
        typer.Option("--start/--no-start", help="Whether a second job starts Ray, or the ranks."),
    ] = True,
    timeout: Annotated[
        str, typer.Option(metavar="TIME", help="How long to wait for each job (90s, 10m).")
    ] = "5m",
    as_json: JsonOption = False,
) -> None:
    """Examine this cluster for a launcher's options; sends short jobs.

    Checks commands, partition, account, limits, preemption and the shared folder. Slurm checks the
    job script. Then one short job on as many nodes as a run would have tries the interpreter, Ray,
    addresses, ports and connections. A second job starts as a run does: Ray with its GPUs, or the
    ranks. Exits with 1 if there is a problem.
    """
    from tmgg.cli.launcher_file import make_slurm_runner
    from tmgg.console import exit_codes
    from tmgg.console.durations import parse_duration_s
    from tmgg.console.printing import put_json, say
    from tmgg.experiment_utils.cloud.slurm.site.doctor.examination import examine

    limit_s = parse_duration_s(timeout) if job else None
    runner = make_slurm_runner(config, overrides or [])
    findings = []
    for finding in examine(runner, job_limit_s=limit_s, say=say, with_start=start):
        findings.append(finding)
        if not as_json:
            _put(finding)
    problems = [finding for finding in findings if finding.level == "problem"]
    if as_json:
        put_json({"ok": not problems, "findings": [finding.to_json() for finding in findings]})
    raise typer.Exit(exit_codes.FAILED if problems else exit_codes.OK)


def _put(finding: "Finding") -> None:
    import sys

    from tmgg.console.printing import put

    level = f"{finding.level:<8}"
    if sys.stdout.isatty():
        from tmgg.console.printing import STATUS_STYLES

        style = STATUS_STYLES[finding.level]
        level = typer.style(level, fg=getattr(typer.colors, style.upper()))
    put(f"{level} {finding.check}: {finding.text}")
    if finding.advice:
        put(f"         -> {finding.advice}")
    sys.stdout.flush()
