"""`tmgg-jobs`: look after runs from any directory, also runs that other programs submitted.

This module makes the Typer app; each command is a file in `commands`.
"""

import errno
import inspect
import logging
from collections.abc import Callable
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from tmgg import __version__
from tmgg.cli.commands.cancel import cancel
from tmgg.cli.commands.collect import collect
from tmgg.cli.commands.doctor import doctor
from tmgg.cli.commands.explain import explain
from tmgg.cli.commands.gc import gc
from tmgg.cli.commands.list_runs import list_runs
from tmgg.cli.commands.logs import logs
from tmgg.cli.commands.plan import plan
from tmgg.cli.commands.report import report
from tmgg.cli.commands.retry import retry
from tmgg.cli.commands.setup import setup
from tmgg.cli.commands.show import show
from tmgg.cli.commands.top import top
from tmgg.cli.commands.wait import wait
from tmgg.cli.commands.watch import watch
from tmgg.console import exit_codes
from tmgg.console.printing import put, say
from tmgg.console.streams import READER_GONE_CODE, finish_answers, words_may_be_lost
from tmgg.console.visible import make_logs_visible
from tmgg.errors import AnswerLostError, TmggError
from tmgg.experiment_utils.files.looking import working_directory

_COMMANDS: dict[str, Callable[..., None]] = {
    "list": list_runs,
    "show": show,
    "logs": logs,
    "wait": wait,
    "watch": watch,
    "top": top,
    "collect": collect,
    "cancel": cancel,
    "retry": retry,
    "explain": explain,
    "report": report,
    "gc": gc,
    "doctor": doctor,
    "plan": plan,
    "setup": setup,
}
_NO_DIRECTORY = ". The working directory is not there any more: change to another one"
_EPILOG = "Exit codes: as in tmgg-jobs --help."


class _Jobs(TyperGroup):
    """Turns errors into words and exit codes."""

    def invoke(self, ctx: Any) -> Any:
        try:
            try:
                return super().invoke(ctx)
            finally:
                finish_answers()
        except TmggError as error:
            if isinstance(error, AnswerLostError) and error.is_reader_gone:
                raise typer.Exit(READER_GONE_CODE) from None
            say(f"error: {error}")
            raise typer.Exit(exit_codes.exit_code_of(error)) from error
        except OSError as error:
            if error.errno == errno.EPIPE:
                raise  # `| head` has enough; Typer ends quietly
            more = "" if working_directory() is not None else _NO_DIRECTORY
            say(f"error: {error}{more}")
            raise typer.Exit(exit_codes.MISUSE) from error
        except KeyboardInterrupt:
            # The command did not know its runs yet, or is not one that waits.
            say("\ninterrupted; that alone ends no run")
            raise typer.Exit(exit_codes.INTERRUPTED) from None


def make_app() -> typer.Typer:
    """The program with all its commands."""
    app = typer.Typer(
        cls=_Jobs,
        help="Look after runs: list, wait for, explain, cancel, collect. Works from any directory.",
        epilog=exit_codes.render_meanings(),
        no_args_is_help=True,
        pretty_exceptions_enable=False,
        context_settings={"help_option_names": ["-h", "--help"]},
    )
    app.callback()(_options)
    for name, command in _COMMANDS.items():
        app.command(name, help=_help(command), epilog=_EPILOG)(command)
    return app


def _help(command: Callable[..., None]) -> str:
    """The command's docstring with one line per paragraph: the terminal's width wraps them."""
    paragraphs = (inspect.getdoc(command) or "").split("\n\n")
    return "\n\n".join(" ".join(paragraph.split()) for paragraph in paragraphs)


def _say_version(is_asked: bool) -> None:
    if is_asked:
        put(f"tmgg {__version__}")
        raise typer.Exit


def _options(
    *,
    _version: Annotated[
        bool,
        typer.Option(
            "--version", callback=_say_version, is_eager=True, help="Print TMGG's version."
        ),
    ] = False,
) -> None:
    """The help is the program's own."""


def main() -> None:
    """Entry point of `tmgg-jobs`."""
    with words_may_be_lost():
        logging.basicConfig(format="%(message)s", level=logging.WARNING)
        make_logs_visible()
        make_app()()


if __name__ == "__main__":
    main()
