"""The cache of a config: the results of resolvers that were registered with `use_cache=True`.

A job's config takes its cache along. A cached result that only the submitting process needed (a
host's name, a temporary folder there, a free port) would then be taken for the job's own.
"""

import contextlib
from collections.abc import Iterator

from omegaconf import DictConfig, OmegaConf

TIMES = ("now",)
"""Hydra's resolver of times. A time of the launch is the same in all ranks and starts of a job, and
it says nothing of the machine."""


@contextlib.contextmanager
def cache_kept(config: DictConfig, *, without: tuple[str, ...] = ()) -> Iterator[None]:
    """Restore the config's cache at the end: results from inside are dropped.

    Those of the resolvers `without` stay.
    """
    cache = OmegaConf.get_cache(config)
    before = {name: dict(found) for name, found in cache.items()}
    try:
        yield
    finally:
        added = {name: dict(cache[name]) for name in without if name in cache}
        cache.clear()
        cache.update(before | added)
