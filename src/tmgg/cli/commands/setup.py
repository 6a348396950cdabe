"""`tmgg-jobs setup`."""

from pathlib import Path
from typing import Annotated

import typer

from tmgg.cli.options import JsonOption


def setup(
    overrides: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="slurm_x=value",
            help="Launcher options that setup must not vary, for example slurm_account=physics.",
        ),
    ] = None,
    *,
    name: Annotated[
        str, typer.Option(metavar="NAME", help="The launcher's name: hydra/launcher=NAME.")
    ] = "my_site",
    output: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="Write this file instead, for example conf/hydra/launcher/NAME.yaml of a project.",
        ),
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Replace a file that is there.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Ask this cluster what it wants, and write a launcher for it.

    Looks at partitions, accounts, limits and nodes, and tries with `sbatch --test-only`, at most 41
    times, in which form the site takes memory and GPUs. Nothing is submitted. The file has the
    reason for each line. Exits with 1 if Slurm refused every form, with 4 if it did not answer.
    """
    from tmgg.cli.setting_up import put_setup, set_up, setup_as_json
    from tmgg.console.printing import put_json

    done = set_up(overrides or [], name=name, output=output, force=force)
    if as_json:
        put_json(setup_as_json(done))
    else:
        put_setup(done)
    raise typer.Exit(done.exit_code)
