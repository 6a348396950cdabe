"""`tmgg-jobs top`."""

from typing import Annotated

import typer

from tmgg.cli.options import FolderOption


def top(
    *,
    all_runs: Annotated[
        bool, typer.Option("--all", "-a", help="Also sweeps that ended more than a day ago.")
    ] = False,
    folder: FolderOption = None,
) -> None:
    """Look after sweeps and runs on a screen of its own (extra `top`).

    Enter opens a sweep and a run; e explains, c cancels, r submits failed runs again, q leaves.
    """
    import sys

    from tmgg.errors import ConfigError
    from tmgg.experiment_utils.extras import require

    if not (sys.stdin.isatty() and sys.stdout.isatty()):
        raise ConfigError("top needs a terminal; tmgg-jobs list and watch work in a pipe, too")
    require("textual", extra="top", purpose="tmgg-jobs top")
    from tmgg.cli.top.app import TopApp
    from tmgg.cli.top.snapshot import Looker

    TopApp(Looker(folder, show_old=all_runs)).run()
