"""Puts names in place of values that differ in each launch, while a config is resolved again.

Resolvers get these names, too, and a resolver may do anything, for example make a folder. So the
names are chosen so that the operating system cannot make a file with them. A resolver that tries
raises an error, which shows that it needs the real place.
"""

import contextlib
import inspect
from collections.abc import Callable, Iterator
from typing import Any

from hydra.core.hydra_config import HydraConfig
from omegaconf import AnyNode, DictConfig, OmegaConf
from omegaconf.basecontainer import BaseContainer

from tmgg.hydra_plugins.made_anew import MadeAnew
from tmgg.hydra_plugins.resolver_cache import cache_kept

OUTPUT, SWEEP = "/<hydra.runtime.output_dir>", "/<hydra.sweep.dir>"
_RUN = "/<hydra.run.dir>"
_IN_NO_PATH = "\0"
"""For texts that may become part of a path: the operating system refuses a path with it."""
_NOWHERE = "/dev/null/nowhere"
"""The parent of all places: no file can be below /dev/null. Unlike a path with `_IN_NO_PATH`, a
path below it can be resolved."""
_JOB_ID = f"{_IN_NO_PATH}<hydra.job.id>"
_NAMES: dict[str, dict[str, Any]] = {
    "runtime": {"output_dir": _NOWHERE + OUTPUT},
    "run": {"dir": _NOWHERE + _RUN},
    "sweep": {"dir": _NOWHERE + SWEEP, "subdir": f"{_IN_NO_PATH}<hydra.sweep.subdir>"},
    "job": {"id": _JOB_ID},
}
_OF_LAUNCHES = ("<hydra.", "<now:")


class _NoNumber(int):
    """Replaces a job's number, which must stay a number; its text cannot be part of a path."""

    def __repr__(self) -> str:
        return _IN_NO_PATH + super().__repr__()

    def __format__(self, specification: str) -> str:
        return _IN_NO_PATH + super().__format__(specification)


_JOB_NUMBER = _NoNumber(-8640086400)
"""A number that no job has."""


@contextlib.contextmanager
def as_anywhere(config: DictConfig, made_anew: MadeAnew) -> Iterator[None]:
    """Inside, Hydra's places and times in a job's config resolve to their names.

    So do values that resolvers make anew each time.
    """
    before = HydraConfig.instance().cfg
    now = BaseContainer._resolvers.get("now")
    with contextlib.ExitStack() as stack:
        for group, values in _NAMES.items():
            for key, value in values.items():
                stack.enter_context(_standing_in(config.hydra[group], key, value))
        stack.enter_context(cache_kept(config))
        stack.enter_context(made_anew.as_names())
        HydraConfig.instance().cfg = config  # type: ignore[assignment]
        # Without a cache: the config's cache keeps the real values.
        _register("now", lambda pattern: f"{_IN_NO_PATH}<now:{pattern}>")
        try:
            yield
        finally:
            HydraConfig.instance().cfg = before
            if now is None:
                OmegaConf.clear_resolver("now")
            else:
                BaseContainer._resolvers["now"] = now


def of_launch() -> MadeAnew:
    """For all jobs of a launcher: which calls of resolvers make their values anew."""
    return MadeAnew(prefix=_IN_NO_PATH)


def named_text(text: str, parent: Any, key: Any) -> str:
    """The text to compare; `text` is the value of `parent[key]` inside `as_anywhere`.

    It keeps the job's number, unless it is a place or contains a time.
    """
    if any(mark in text for mark in _OF_LAUNCHES):
        job = HydraConfig.instance().cfg.hydra.job  # type: ignore[union-attr]
        # A resolver may need a real number, for example as an index; then `text` stays.
        with _standing_in(job, "num", _JOB_NUMBER), contextlib.suppress(Exception):
            text = str(parent[key])
    return text.replace(_IN_NO_PATH, "").replace(f"{_NOWHERE}/", "/")


def has_job_id(config: DictConfig, key: str) -> bool:
    """Whether the id that the backend gives the job is part of `hydra.sweep.<key>`.

    Call it only where `config` resolves as in the job (see `as_in_job`).
    """
    with cache_kept(config), _standing_in(config.hydra.job, "id", _JOB_ID):
        try:
            return _JOB_ID in str(config.hydra.sweep[key])
        except Exception:  # a resolver may run any code; with another id it did resolve
            return True


def _register(name: str, resolver: Callable[..., Any]) -> None:
    # OmegaConf 2.4 has renamed the function, and warns of the old name.
    register: Any = OmegaConf.register_resolver
    if "replace" not in inspect.signature(register).parameters:
        register = OmegaConf.register_new_resolver
    register(name, resolver, replace=True)


@contextlib.contextmanager
def _standing_in(group: DictConfig, key: str, value: Any) -> Iterator[None]:
    """Put another node in a node's place, not with OmegaConf's own calls, which copy and check."""
    content = group.__dict__["_content"]
    missing = object()
    before = content.get(key, missing)
    content[key] = AnyNode(value, key=key, parent=group, flags={"allow_objects": True})
    try:
        yield
    finally:
        if before is missing:
            del content[key]
        else:
            content[key] = before
