"""`tmgg-jobs plan`."""

from typing import Annotated

import typer

from tmgg.cli.options import JsonOption, LauncherFileOption, LauncherOverridesArgument


def plan(
    overrides: LauncherOverridesArgument = None,
    *,
    config: LauncherFileOption = None,
    runs: Annotated[int, typer.Option(min=1, metavar="N", help="How many runs to count.")] = 1,
    as_json: JsonOption = False,
) -> None:
    """Say when the job would start in each partition, and what it costs.

    Slurm checks the job script for each partition (`sbatch --test-only`, at most 24 times);
    nothing is submitted. Exits with 1 if every partition refuses the job, with 4 if it is not known
    whether it would start.
    """
    from tmgg.cli.planning import make_plan, plan_as_json, put_plan
    from tmgg.console.printing import put_json

    found = make_plan(config, overrides or [], runs=runs)
    if as_json:
        put_json(plan_as_json(found))
    else:
        put_plan(found)
    raise typer.Exit(found.exit_code)
