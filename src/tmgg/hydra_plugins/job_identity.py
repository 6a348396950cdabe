"""The identity of a Hydra app's job (see `experiment_utils.identity`), the same in every launch.

The job's config is resolved once more, with names in place of Hydra's own places and times: its
folders, the job's id, and the values of `${now:...}`. So texts that were computed from these are
the same in every launch. Nothing else changes: a text that only looks like today's date stays as it
is. The job's number counts, as it may be a seed or a fold, except in a text that is a place or
contains a time. Values from the command line count as given: there, a path below the sweep's folder
is an ordinary path.
"""

import os
from dataclasses import dataclass, field, replace
from enum import Enum
from pathlib import Path, PurePath
from typing import Any, cast

from omegaconf import DictConfig, Node, OmegaConf

from tmgg.experiment_utils.files.atomic_file import JsonDict
from tmgg.experiment_utils.identity.fingerprints import fingerprint, fingerprint_and_modules
from tmgg.experiment_utils.identity.programs import OWN_APP, Program, Programs
from tmgg.experiment_utils.identity.read_environment import counts
from tmgg.experiment_utils.identity.run_identity import (
    MADE_ANEW,
    PLACE_KEYS,
    Identity,
    make_identity,
)
from tmgg.experiment_utils.identity.source_code import names_in
from tmgg.experiment_utils.run_folder.task import escape_interpolation
from tmgg.hydra_plugins.made_anew import MadeAnew
from tmgg.hydra_plugins.placeholders import (
    OUTPUT,
    SWEEP,
    as_anywhere,
    has_job_id,
    named_text,
    of_launch,
)
from tmgg.hydra_plugins.resolving import key_texts

_OF_SWEEPS = ("<hydra.sweep.dir>", "<hydra.run.dir>")


@dataclass(frozen=True, slots=True)
class _Launch:
    """The values of a launch that the texts of a job's config may contain."""

    output_dir: str
    sweep_dir: str
    """As Hydra gives it; mostly a relative path."""
    is_shared: bool
    """Whether the sweep's folder contains the working directory, so others use it, too."""
    given: frozenset[str]
    """The keys that the command line sets."""
    made_anew: MadeAnew
    modules: set[str] = field(default_factory=set)
    """Modules with the code of objects in the config; added while the config is read."""


def experiment_of_own_app(target: str, programs: Programs) -> Program:
    """The program of a job of tmgg-experiment: what its config names, not the app around it."""
    found = programs.named(target)
    return replace(found, name=f"{OWN_APP}{found.name}")


def identify_job(
    config: DictConfig,
    recorded: JsonDict,
    program: Program,
    programs: Programs,
    *,
    is_own_app: bool,
    made_anew: MadeAnew | None = None,
) -> tuple[Identity, Program]:
    """The identity of a job, and its program with the code that its config names.

    `recorded` is its config as it will resolve in the job. `config` has its `hydra` node with the
    job's output folder. In TMGG's own app some keys only give the run's name and folders, so they
    do not count; in other apps keys with these names count. `made_anew` is one for all jobs of a
    launch, so that each resolver is asked only once whether it makes its values anew.
    """
    launch = _launch(config, made_anew or of_launch())
    has_id = has_job_id(config, "dir")
    ignored = PLACE_KEYS if is_own_app else ()
    with as_anywhere(config, launch.made_anew):
        counted = {
            name: _neutral(config, name, value, launch)
            for name, value in recorded.items()
            if name not in ignored
        }
        surroundings = _surroundings(config)
    # Not resolved: the file system need not be asked for each of many jobs.
    sweep_folder = os.path.normpath(Path(launch.sweep_dir).absolute())
    callbacks = OmegaConf.to_container(config.hydra.callbacks, resolve=False)
    names = names_in([recorded, callbacks])
    program = programs.with_names(program, names, frozenset(launch.modules))
    identity = make_identity(
        program,
        arguments=program.arguments,
        config=counted,
        recorded=recorded,
        surroundings=surroundings,
        # If the folder contains the backend's job id, only the job knows it.
        folder=None if has_id or has_job_id(config, "subdir") else launch.output_dir,
        sweep_folder=None if has_id else sweep_folder,
    )
    return identity, program


def _launch(config: DictConfig, made_anew: MadeAnew) -> _Launch:
    sweep_dir = str(config.hydra.sweep.dir)
    return _Launch(
        output_dir=str(config.hydra.runtime.output_dir),
        sweep_dir=sweep_dir,
        is_shared=Path.cwd().is_relative_to(Path(sweep_dir).absolute()),
        given=_given(config),
        made_anew=made_anew,
    )


def _surroundings(config: DictConfig) -> dict[str, Any]:
    """What Hydra gives the task besides its config. Variables may be secret, so their hashes."""
    job = config.hydra.job
    copied = {str(name) for name in job.env_copy}  # Hydra adds them to `env_set`
    environment = {
        f"hydra.job.env_set.{name}": fingerprint(_resolved(job.env_set, name))
        for name in job.env_set
        if name not in copied or counts(str(name))
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
        return named_text(str(node[key]), node, key)
    except Exception:  # a resolver may run any code; see `resolving`
        return str(node._get_node(key))


def _given(config: DictConfig) -> frozenset[str]:
    """The keys that the command line sets, without groups.

    For a group, the command line chooses a file but does not give its content. A mapping as value
    is merged into the group, so it counts.
    """
    groups = {str(group).partition("@")[0] for group in config.hydra.runtime.choices}
    texts = OmegaConf.to_container(config.hydra.overrides.task, resolve=False)
    pairs = (str(text).partition("=")[::2] for text in cast(list[Any], texts))
    named = [(name.lstrip("+~").partition("@")[0], value) for name, value in pairs]
    return frozenset(
        name for name, value in named if name not in groups or value.lstrip().startswith("{")
    )


def _is_given(parent: Any, key: Any, given: frozenset[str]) -> bool:
    if not given:
        return False
    name = str(parent._get_full_key(key))
    return any(name == each or name.startswith((f"{each}.", f"{each}[")) for each in given)


def _neutral(parent: Any, key: Any, recorded: Any, launch: _Launch) -> Any:
    """The value with names for places and times, given how it resolves in the job."""
    node = parent._get_node(key)
    if node is None or OmegaConf.is_missing(parent, key):
        return recorded
    if not node._is_interpolation():
        if isinstance(recorded, str) and _is_given(parent, key, launch.given):
            return recorded
        return _neutral_parts(node, recorded, launch)
    named = launch.made_anew.named
    try:
        value = parent[key]
    except Exception:
        if launch.made_anew.named > named:  # such as a number: a name is none
            return _as_written(node)
        # A resolver may run any code, and some need a real folder.
        return _known_place(recorded, launch, is_given=_is_given(parent, key, launch.given))
    if isinstance(value, str | PurePath):
        text = named_text(str(value), parent, key)
        if any(mark in text for mark in _OF_SWEEPS) and _is_given(parent, key, launch.given):
            return recorded
        return _without_folders(escape_interpolation(text), launch)
    if launch.made_anew.named > named:
        return _as_written(node)
    if value is None or isinstance(value, bool | int | float):
        return recorded  # a number is not a place: a job's number may be its seed
    return _neutral_parts(value, recorded, launch)


def _as_written(node: Node) -> str:
    return f"{MADE_ANEW}{escape_interpolation(str(node._value()))}>"


def _neutral_parts(value: Any, recorded: Any, launch: _Launch) -> Any:
    if isinstance(recorded, dict) and OmegaConf.is_dict(value):
        return recorded | {
            text: _neutral(value, key, recorded[text], launch)
            for key, text in key_texts(value).items()
            if text in recorded
        }
    if isinstance(recorded, list) and OmegaConf.is_list(value):
        return [_neutral(value, index, item, launch) for index, item in enumerate(recorded)]
    if not isinstance(recorded, str):
        return recorded
    return _object_text(value, launch) or _without_folders(recorded, launch)


def _object_text(value: Any, launch: _Launch) -> str | None:
    """A text for an object, with its fingerprint; None for a value whose text is enough."""
    if OmegaConf.is_config(value):
        return None
    held = value._value() if isinstance(value, Node) else value
    if held is None or isinstance(held, str | bytes | int | float | PurePath | Enum):
        return None
    found, modules = fingerprint_and_modules(held)
    launch.modules.update(modules)
    return f"{type(held).__module__}.{type(held).__qualname__} {found}"


def _known_place(recorded: Any, launch: _Launch, *, is_given: bool) -> Any:
    """For a value that resolves only with real places, as if a resolver makes the folder."""
    if not isinstance(recorded, str):
        return recorded
    if is_given:
        return _renamed(recorded, launch.output_dir, OUTPUT)
    text = _without_folders(recorded, launch)
    # Only texts that start with the folder are renamed: others may be any text.
    return text if launch.is_shared else _renamed(text, launch.sweep_dir, SWEEP)


def _without_folders(text: str, launch: _Launch) -> str:
    """The text with names for the job's folders, if it starts with one as an absolute path."""
    text = _renamed(text, launch.output_dir, OUTPUT)
    if launch.is_shared:
        return text  # a path below such a folder need not belong to the launch
    return _renamed(text, str(Path(launch.sweep_dir).absolute()), SWEEP)


def _renamed(text: str, place: str, name: str) -> str:
    below = text == place or text.startswith(f"{place}/")
    return name + text[len(place) :] if below else text
