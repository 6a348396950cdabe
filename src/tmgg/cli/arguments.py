"""The command line of `tmgg-experiment`: Hydra's own, and `--dry-run`."""

import contextlib
import tempfile
from collections.abc import Iterator, Sequence

from tmgg.hydra_plugins.dry_run import dry_run

OPTION = "--dry-run"
_OVERRIDE = "hydra.launcher.dry_run=true"


def split_dry_run(arguments: Sequence[str]) -> tuple[list[str], bool]:
    """Return `arguments` without `--dry-run`, and whether it or the override for it was there."""
    kept = [item for item in arguments if item != OPTION]
    override = any(item.lstrip("+").lower() == _OVERRIDE for item in kept)
    return kept, override or len(kept) < len(arguments)


def gather_overrides(arguments: Sequence[str], more: Sequence[str] = ()) -> list[str]:
    """The same command line with all overrides, and `more`, at its end.

    Hydra's parser (argparse) takes overrides from one place only: `a=1 -m b=2,3` would fail.
    """
    from hydra._internal.utils import get_args_parser

    known, rest = get_args_parser().parse_known_args(list(arguments))
    overrides = [*known.overrides, *(item for item in rest if not item.startswith("-"))]
    options = list(arguments)
    for override in overrides:
        options.remove(override)
    return [*options, *overrides, *more]


@contextlib.contextmanager
def dry_run_arguments(arguments: Sequence[str]) -> Iterator[list[str]]:
    """Yield a command line with which Hydra leaves nothing on disk; `dry_run` holds meanwhile.

    Hydra makes its output folders before TMGG can stop it, so they go to a temporary folder.
    """
    with tempfile.TemporaryDirectory(prefix="tmgg-dry-run-") as folder, dry_run():
        quoted = folder.replace("\\", "\\\\").replace("'", "\\'")
        more = [f"hydra.run.dir='{quoted}'", f"hydra.sweep.dir='{quoted}'"]
        yield gather_overrides(arguments, more)
