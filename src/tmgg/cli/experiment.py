"""`tmgg-experiment`: one config, run here or wherever the chosen launcher says.

It is a Hydra app with one difference: a TMGG launcher works with and without `-m` (see
`single_run`).
"""

import contextlib
import os
import sys
from collections.abc import Iterator

import hydra

from tmgg import __version__
from tmgg.cli.arguments import dry_run_arguments, gather_overrides, split_dry_run
from tmgg.cli.errors import exit_with
from tmgg.cli.single_run import find_single_run, submit
from tmgg.console.printing import put
from tmgg.console.streams import finish_answers, words_may_be_lost
from tmgg.experiment_utils.compose import SEARCH_PATH
from tmgg.hydra_plugins.dry_run import dry_run
from tmgg.hydra_plugins.experiment import run_experiment
from tmgg.hydra_plugins.launcher_options import withdraw_tables
from tmgg.hydra_plugins.launching import interrupted_in_words
from tmgg.hydra_plugins.shown_failures import words_instead

CONFIG_NAME = "config"
VERSION = "--version"
FULL_ERROR = "HYDRA_FULL_ERROR"


def main() -> None:
    """Console entry point."""
    with words_may_be_lost(), _errors_in_words():
        _run()
        finish_answers()


def _run() -> None:
    if VERSION in sys.argv[1:]:
        put(f"tmgg {__version__} (Hydra {hydra.__version__})")
        return
    given, dry = split_dry_run(sys.argv[1:])
    arguments = gather_overrides(given)
    with interrupted_in_words("nothing was submitted"):
        run = find_single_run(arguments, config_name=CONFIG_NAME)
    if run is not None:
        with dry_run() if dry else contextlib.nullcontext():
            submit(run)
        return
    with dry_run_arguments(given) if dry else contextlib.nullcontext(arguments) as own:
        _run_hydra(own)


def _run_hydra(arguments: list[str]) -> None:
    withdraw_tables()  # this app's search path has the YAML files
    # Not a decorator: that would set Hydra's version base when this module is imported.
    as_app = hydra.main(version_base="1.3", config_path=SEARCH_PATH, config_name=CONFIG_NAME)
    before = sys.argv
    sys.argv = [before[0], *arguments]
    try:
        as_app(run_experiment)()
    finally:
        sys.argv = before


@contextlib.contextmanager
def _errors_in_words() -> Iterator[None]:
    if os.environ.get(FULL_ERROR) == "1":
        yield
        return
    # With this, Hydra raises its errors. Without it, Hydra prints them and ends the process.
    os.environ[FULL_ERROR] = "1"
    try:
        with words_instead():
            yield
    except (Exception, KeyboardInterrupt) as error:
        exit_with(error)
    finally:
        del os.environ[FULL_ERROR]


if __name__ == "__main__":
    main()
