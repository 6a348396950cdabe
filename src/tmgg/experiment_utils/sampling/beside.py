"""Starts the sampler of a run beside the experiment, and ends it with the run.

The sampler is a process, not a thread: an experiment may fork, which is unsafe with threads, and
Python 3.12 warns of it. The process is not a child of the experiment's process, because an
`os.wait()` there would return it. For a run of half a second it costs the start of a bare Python.
"""

import contextlib
import json
import logging
import os
import select
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path

from tmgg.experiment_utils.job.clock import monotonic_s, unix_time_s
from tmgg.experiment_utils.job.job_environment import ROOT_VARIABLE
from tmgg.experiment_utils.run_folder.paths import SubmissionPaths
from tmgg.experiment_utils.run_folder.rank_paths import RankPaths
from tmgg.experiment_utils.sampling import process_tree

log = logging.getLogger(__name__)

_SOURCE = Path(__file__).parents[3]
_FIRST_AFTER_S = 0.5
_LAST_WITHIN_S = 2.0
_START_WITHIN_S = 10.0
# The shell ends at once, so the sampler becomes an orphan, for which the experiment cannot wait.
_ORPHAN = ("/bin/sh", "-c", '"$@" &', "tmgg-usage")
# No site packages; and TMGG is imported only if the run lasts longer than `_FIRST_AFTER_S`.
_PROGRAM = f"""
import os, select, sys
ended = int(sys.argv[1])
if not (select.select([ended], [], [], {_FIRST_AFTER_S})[0] and os.read(ended, 1)):
    sys.path.insert(0, sys.argv[4])
    from tmgg.experiment_utils.sampling.process import main
    main(ended, sys.argv[3])
"""


@contextlib.contextmanager
def sampling_use(paths: SubmissionPaths) -> Iterator[None]:
    """Sample what the run uses within the `with` block, and record it at the end.

    Nothing is done if the system does not show what processes use (no /proc). Errors of the
    sampling do not affect the run.
    """
    sampler = None
    try:
        sampler = _Sampler(paths)
    except (OSError, ValueError, IndexError, subprocess.SubprocessError) as error:
        log.info("what the run uses is not sampled: %s", error)
    try:
        yield
    finally:
        if sampler is not None:
            sampler.end()


class _Sampler:
    """The sampler in the experiment's process: two pipes to the sampler's process."""

    def __init__(self, paths: SubmissionPaths) -> None:
        order = json.dumps(_order(paths))
        ended, self._ended = os.pipe()
        try:
            self._over, over = os.pipe()
            try:
                argv = [sys.executable, "-I", "-S", "-c", _PROGRAM, str(ended), str(over), order]
                subprocess.run(
                    [*_ORPHAN, *argv, str(_SOURCE)],
                    stdin=subprocess.DEVNULL,
                    pass_fds=(ended, over),
                    timeout=_START_WITHIN_S,
                    check=True,
                )
            finally:
                os.close(over)
        finally:
            os.close(ended)

    def end(self) -> None:
        """Let it take the last sample and write the record; wait at most `_LAST_WITHIN_S`."""
        # The experiment may have closed these descriptors, although it did not open them.
        with contextlib.suppress(OSError, ValueError):
            os.write(self._ended, b"e")
            select.select([self._over], [], [], _LAST_WITHIN_S)
        for descriptor in (self._ended, self._over):
            with contextlib.suppress(OSError):
                os.close(descriptor)


def _order(paths: SubmissionPaths) -> dict[str, object]:
    """What the sampler's process must know. Raises OSError without /proc."""
    own = os.getpid()
    rank = paths.rank if isinstance(paths, RankPaths) else None
    root = process_tree.find_root(own, _stated_root(), is_alone_in_step=rank is None)
    return {
        "folder": str(paths.folder.absolute()),
        "rank": None if rank is None else asdict(rank),
        "pid": own,
        "root": root,
        "began_at": unix_time_s(),
        "monotonic_s": monotonic_s(),
        "first": asdict(process_tree.measure(root, own)),
    }


def _stated_root() -> int | None:
    text = os.environ.get(ROOT_VARIABLE, "")
    return int(text) if text.isdecimal() else None
