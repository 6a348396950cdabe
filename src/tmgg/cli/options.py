"""Arguments and options that several commands share."""

from pathlib import Path
from typing import Annotated

import typer


def complete_run(incomplete: str) -> list[str]:
    """For the shell's completion."""
    from tmgg.cli import selection

    return selection.complete_run(incomplete)


LauncherOverridesArgument = Annotated[
    list[str] | None,
    typer.Argument(
        metavar="slurm_x=value",
        help="Launcher options, as on the command line of tmgg-experiment.",
    ),
]
LauncherFileOption = Annotated[
    Path | None,
    typer.Option(metavar="FILE", help="A launcher YAML, or the name of one that setup wrote."),
]
RunArgument = Annotated[
    str,
    typer.Argument(
        metavar="RUN",
        help="A run id or a unique part; a job id; a sweep; or `last`.",
        autocompletion=complete_run,
    ),
]
RunsArgument = Annotated[
    list[str],
    typer.Argument(
        metavar="RUN",
        help="Run ids or unique parts; job ids; sweeps, by id or name; or `last`.",
        autocompletion=complete_run,
    ),
]
FolderOption = Annotated[
    list[Path] | None,
    typer.Option(
        "--folder",
        metavar="DIR",
        help="Only runs in this folder, for example ./slurm_outputs; may be repeated.",
    ),
]
MaxOption = Annotated[
    bool,
    typer.Option(
        "--max",
        help="The greatest value is the best; without it, as the launch chose, or the least.",
    ),
]
JsonOption = Annotated[
    bool, typer.Option("--json", help="One JSON document on stdout, and nothing else.")
]
