"""What a job of a Hydra app is (see `experiment_utils.identity`), wherever and whenever it runs.

The job's config is resolved once more with names in place of Hydra's own places and times: its
folders, the job's id, and what `${now:...}` says. Whatever text was computed from them is then the
same in every launch, and nothing else is touched: a text that only looks like today's date stays
what it is. The job's number counts, as it may be a seed or a fold, but in a text that is a place or
has a time in it. What the command line gives is meant: a path below the sweep's folder counts there
as the path that it is.
"""

import contextlib
import inspect
import os
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path, PurePath
from typing import Any, cast

from hydra.core.hydra_config import HydraConfig
from omegaconf import AnyNode, DictConfig, OmegaConf
from omegaconf.basecontainer import BaseContainer

from tmgg.experiment_utils.files.atomic_file import JsonDict
from tmgg.experiment_utils.identity.fingerprints import fingerprint
from tmgg.experiment_utils.identity.programs import OWN_APP, Program, Programs
from tmgg.experiment_utils.identity.run_identity import PLACE_KEYS, Identity, make_identity
from tmgg.experiment_utils.run_folder.task import escape_interpolation

_JOB_NUMBER = -8640086400
"""In place of a job's number, which has to stay one; nobody means this one."""
_JOB_ID = "job.id"
_PLACES: dict[str, dict[str, Any]] = {
    "runtime": {"output_dir": "/<hydra.runtime.output_dir>"},
    "run": {"dir": "/<hydra.run.dir>"},
    "sweep": {"dir": "/<hydra.sweep.dir>", "subdir": "<hydra.sweep.subdir>"},
    "job": {"id": "<hydra.job.id>"},
}
_OF_LAUNCHES = ("<hydra.", "<now:")
_OF_SWEEPS = ("<hydra.sweep.dir>", "<hydra.run.dir>")


def experiment_of_own_app(target: str, programs: Programs) -> Program:
    """The program of a job of tmgg-experiment: what its config names, not the app around it."""
    found = programs.named(target)
    return replace(found, name=f"{OWN_APP}{found.name}")


def identify_job(
    config: DictConfig, recorded: JsonDict, program: Program, *, is_own_app: bool
) -> Identity:
    """The identity of a job whose config, as it will resolve there, is `recorded`.

    `config` has its `hydra` node with the job's output folder. In TMGG's own app some keys say who
    the run is and where its files go; those of another app mean nothing here.
    """
    places = _job_folders(config)
    folder = places[0]
    given = _given(config)
    ignored = PLACE_KEYS if is_own_app else ()
    with _as_anywhere(config):
        counted = {
            name: _neutral(config, name, value, places, given)
            for name, value in recorded.items()
            if name not in ignored
        }
        surroundings = _surroundings(config)
    return make_identity(
        program,
        arguments=program.arguments,
        config=counted,
        recorded=recorded,
        surroundings=surroundings,
        # Where the backend's own id is part of it, the job alone knows it.
        folder=None if _JOB_ID in str(OmegaConf.to_container(config.hydra.sweep)) else folder,
        sweep_folder=_sweep_folder(config),
    )


def _sweep_folder(config: DictConfig) -> str | None:
    if _JOB_ID in str(config.hydra.sweep._get_node("dir")):
        return None
    # Not resolved: the file system need not be asked for each of many jobs.
    return os.path.normpath(Path(str(config.hydra.sweep.dir)).absolute())


def _surroundings(config: DictConfig) -> dict[str, Any]:
    """What Hydra brings to the task beside its config. Variables may be secret: by their hash."""
    job = config.hydra.job
    environment = {
        f"hydra.job.env_set.{name}": fingerprint(_resolved(job.env_set, name))
        for name in job.env_set
    }
    choices = {
        f"hydra.runtime.choices.{group}": str(value)
        for group, value in config.hydra.runtime.choices.items()
        if not str(group).startswith("hydra/")
    }
    changes_folder = {"hydra.job.chdir": True} if job.chdir else {}
    return environment | choices | changes_folder


def _resolved(node: DictConfig, key: Any) -> str:
    try:
        return _neutral_text(node, key)
    except Exception:  # a resolver is anybody's code; see `resolving`
        return str(node._get_node(key))


def _given(config: DictConfig) -> frozenset[str]:
    """The keys that the command line sets, as far as they are keys and no groups."""
    texts = OmegaConf.to_container(config.hydra.overrides.task, resolve=False)
    names = (str(text).partition("=")[0] for text in cast(list[Any], texts))
    return frozenset(name.lstrip("+~").partition("@")[0] for name in names)


def _is_given(parent: Any, key: Any, given: frozenset[str]) -> bool:
    if not given:
        return False
    name = str(parent._get_full_key(key))
    return any(name == each or name.startswith((f"{each}.", f"{each}[")) for each in given)


def _neutral_text(parent: Any, key: Any) -> str:
    """A text with the job's number in it, unless it is a place or has a time in it."""
    text = str(parent[key])
    if not any(mark in text for mark in _OF_LAUNCHES):
        return text
    with _standing_in(HydraConfig.instance().cfg.hydra.job, "num", _JOB_NUMBER):  # type: ignore[union-attr]
        return str(parent[key])


def _neutral(
    parent: Any, key: Any, recorded: Any, places: tuple[str, ...], given: frozenset[str]
) -> Any:
    """The value with names for places and times, given how it resolves in the job."""
    node = parent._get_node(key)
    if node is None or OmegaConf.is_missing(parent, key):
        return recorded
    if not node._is_interpolation():
        if isinstance(recorded, str) and _is_given(parent, key, given):
            return recorded
        return _neutral_parts(node, recorded, places, given)
    try:
        value = parent[key]
    except Exception:
        # A resolver is anybody's code, and some need a real folder or number.
        return recorded
    if isinstance(value, str | PurePath):
        text = _neutral_text(parent, key)
        if any(mark in text for mark in _OF_SWEEPS) and _is_given(parent, key, given):
            return recorded
        return _without_folders(escape_interpolation(text), places)
    if value is None or isinstance(value, bool | int | float):
        return recorded  # a number is no place: a job's number may be its seed
    return _neutral_parts(value, recorded, places, given)


def _neutral_parts(
    value: Any, recorded: Any, places: tuple[str, ...], given: frozenset[str]
) -> Any:
    if isinstance(recorded, dict) and OmegaConf.is_dict(value):
        return {name: _neutral(value, name, item, places, given) for name, item in recorded.items()}
    if isinstance(recorded, list) and OmegaConf.is_list(value):
        return [_neutral(value, index, item, places, given) for index, item in enumerate(recorded)]
    return _without_folders(recorded, places) if isinstance(recorded, str) else recorded


def _job_folders(config: DictConfig) -> tuple[str, ...]:
    """The job's output folder and its sweep's, absolute, for texts in which they stand already.

    A sweep's folder that others share, as the working directory, says nothing.
    """
    output = str(config.hydra.runtime.output_dir)
    sweep = Path(str(config.hydra.sweep.dir)).absolute()
    is_shared = Path.cwd().is_relative_to(sweep)
    return (output,) if is_shared else (output, str(sweep))


def _without_folders(text: str, places: tuple[str, ...]) -> str:
    names = ("/<hydra.runtime.output_dir>", "/<hydra.sweep.dir>")
    for place, name in zip(places, names, strict=False):
        if text == place or text.startswith(f"{place}/"):
            return name + text[len(place) :]
    return text


@contextlib.contextmanager
def _as_anywhere(config: DictConfig) -> Iterator[None]:
    """Inside, Hydra's places and times resolve to their names."""
    before = HydraConfig.instance().cfg
    now = BaseContainer._resolvers.get("now")
    with contextlib.ExitStack() as stack:
        for group, values in _PLACES.items():
            for key, value in values.items():
                stack.enter_context(_standing_in(config.hydra[group], key, value))
        HydraConfig.instance().cfg = config  # type: ignore[assignment]
        # Without a cache: the real ones are kept in the config's.
        _register("now", lambda pattern: f"<now:{pattern}>")
        try:
            yield
        finally:
            HydraConfig.instance().cfg = before
            if now is None:
                OmegaConf.clear_resolver("now")
            else:
                BaseContainer._resolvers["now"] = now


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
    content[key] = AnyNode(value, key=key, parent=group)
    try:
        yield
    finally:
        if before is missing:
            del content[key]
        else:
            content[key] = before
