"""Starts the sampler of a run beside the experiment, and ends it with the run.

It is a process: an experiment may fork, which goes wrong where there are threads that it does not
know, and Python 3.12 warns of it. It is no child of the experiment's process, whose `os.wait()`
would find it. What it costs a run of half a second is the start of a bare Python.
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
# The shell ends at once, so nobody is the sampler's parent who could wait for it.
_ORPHAN = ("/bin/sh", "-c", '"$@" &', "tmgg-usage")
# No site packages, and nothing imported before it is known that the run is no short one.
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
    """Inside, the run's use is sampled; at the end it is on record.

    Where the system does not tell what processes use (no /proc), nothing is done. Nothing that goes
    wrong with it is the run's trouble.
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
    """The process, as the experiment's process sees it: two pipes."""

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
        """The last sample and the record; what takes long is not waited for."""
        # The experiment may have closed what it did not open.
        with contextlib.suppress(OSError, ValueError):
            os.write(self._ended, b"e")
            select.select([self._over], [], [], _LAST_WITHIN_S)
        for descriptor in (self._ended, self._over):
            with contextlib.suppress(OSError):
                os.close(descriptor)


def _order(paths: SubmissionPaths) -> dict[str, object]:
    """What the sampler's process must know. Raises OSError where /proc does not tell."""
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
