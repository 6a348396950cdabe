"""The entry points of both commands. They also handle a Ctrl-C while the commands are imported.

So this module imports nothing that is slow.
"""

import sys
from typing import NoReturn

_INTERRUPTED = 130
"""The same number is in `exit_codes`, which may not be loaded yet."""


def experiment() -> None:
    """Entry point of `tmgg-experiment`."""
    try:
        from tmgg.cli.experiment import main
    except KeyboardInterrupt:
        _leave("nothing was submitted")
    main()


def jobs() -> None:
    """Entry point of `tmgg-jobs`."""
    try:
        from tmgg.cli.jobs import main
    except KeyboardInterrupt:
        _leave("that alone ends no run")
    main()


def _leave(words: str) -> NoReturn:
    if sys.stderr is not None:  # the shell may have closed it
        sys.stderr.write(f"\ninterrupted; {words}\n")
    raise SystemExit(_INTERRUPTED) from None
