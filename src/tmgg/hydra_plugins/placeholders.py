"""Names in place of what Hydra sets anew in each launch, while a config is resolved once more.

Resolvers get these names, too, and a resolver may do anything, for example make a folder. So the
names are such that the operating system makes no file of them. A resolver that tries raises an
error, which shows that it needs the real place.
"""

import contextlib
import inspect
from collections.abc import Callable, Iterator
from typing import Any

from hydra.core.hydra_config import HydraConfig
from omegaconf import AnyNode, DictConfig, OmegaConf
from omegaconf.basecontainer import BaseContainer

OUTPUT, SWEEP = "/<hydra.runtime.output_dir>", "/<hydra.sweep.dir>"
_RUN = "/<hydra.run.dir>"
_IN_NO_PATH = "\0"
"""In texts that may become part of a path: the operating system refuses a path that has it."""
_NOWHERE = "/dev/null/nowhere"
"""Above places, as no file is below /dev/null. A path below it can be resolved, unlike one with
`_IN_NO_PATH`."""
_JOB_ID = f"{_IN_NO_PATH}<hydra.job.id>"
_NAMES: dict[str, dict[str, Any]] = {
    "runtime": {"output_dir": _NOWHERE + OUTPUT},
    "run": {"dir": _NOWHERE + _RUN},
    "sweep": {"dir": _NOWHERE + SWEEP, "subdir": f"{_IN_NO_PATH}<hydra.sweep.subdir>"},
    "job": {"id": _JOB_ID},
}
_OF_LAUNCHES = ("<hydra.", "<now:")


class _NoNumber(int):
    """In place of a job's number, which has to stay a number; its text is in no path, either."""

    def __repr__(self) -> str:
        return _IN_NO_PATH + super().__repr__()

    def __format__(self, specification: str) -> str:
        return _IN_NO_PATH + super().__format__(specification)


_JOB_NUMBER = _NoNumber(-8640086400)
"""One that no job has."""


@contextlib.contextmanager
def as_anywhere(config: DictConfig) -> Iterator[None]:
    """Inside, Hydra's places and times in a job's config resolve to their names."""
    before = HydraConfig.instance().cfg
    now = BaseContainer._resolvers.get("now")
    with contextlib.ExitStack() as stack:
        for group, values in _NAMES.items():
            for key, value in values.items():
                stack.enter_context(_standing_in(config.hydra[group], key, value))
        stack.enter_context(_cache_kept(config))
        HydraConfig.instance().cfg = config  # type: ignore[assignment]
        # Without a cache: the real ones are kept in the config's.
        _register("now", lambda pattern: f"{_IN_NO_PATH}<now:{pattern}>")
        try:
            yield
        finally:
            HydraConfig.instance().cfg = before
            if now is None:
                OmegaConf.clear_resolver("now")
            else:
                BaseContainer._resolvers["now"] = now


def named_text(text: str, parent: Any, key: Any) -> str:
    """`text` is what `parent[key]` gives inside `as_anywhere`.

    It keeps the job's number, unless it is a place or has a time in it.
    """
    if any(mark in text for mark in _OF_LAUNCHES):
        job = HydraConfig.instance().cfg.hydra.job  # type: ignore[union-attr]
        # A resolver may need a real number, as an index; then it has this one.
        with _standing_in(job, "num", _JOB_NUMBER), contextlib.suppress(Exception):
            text = str(parent[key])
    return text.replace(_IN_NO_PATH, "").replace(f"{_NOWHERE}/", "/")


def has_job_id(config: DictConfig, key: str) -> bool:
    """Whether the id that the backend gives the job is part of `hydra.sweep.<key>`.

    Only where `config` resolves as in the job (see `as_in_job`).
    """
    with _cache_kept(config), _standing_in(config.hydra.job, "id", _JOB_ID):
        try:
            return _JOB_ID in str(config.hydra.sweep[key])
        except Exception:  # a resolver is anybody's code; with another id it did resolve
            return True


@contextlib.contextmanager
def _cache_kept(config: DictConfig) -> Iterator[None]:
    """What resolvers give inside does not stay in the config's cache, which goes to the job."""
    cache = OmegaConf.get_cache(config)
    before = {name: dict(found) for name, found in cache.items()}
    try:
        yield
    finally:
        cache.clear()
        cache.update(before)


def _register(name: str, resolver: Callable[..., Any]) -> None:
    # OmegaConf 2.4 gives it the name that another function has had, and warns of the old one.
    register: Any = OmegaConf.register_resolver
    if "replace" not in inspect.signature(register).parameters:
        register = OmegaConf.register_new_resolver
    register(name, resolver, replace=True)


@contextlib.contextmanager
def _standing_in(group: DictConfig, key: str, value: Any) -> Iterator[None]:
    """Another node in a node's place; not set by OmegaConf's own means, which copy and check."""
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
