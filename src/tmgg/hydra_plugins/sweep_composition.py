"""Composes the configs of a sweep's jobs without reading the files for each job.

Hydra composes every job from its files, in fifty milliseconds: once to check it and once to launch
it. The jobs of a sweep differ mostly in plain values. Hydra applies these last, to the config that
the choice of groups gives. So Hydra composes that config once for each choice, and each job applies
its values to a copy, with Hydra's own code. If the result might differ from Hydra's, or if anything
fails, Hydra composes the job from its files. So the errors are Hydra's.
"""

import copy
import functools
import pickle
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from hydra._internal import config_loader_impl
from hydra._internal.config_loader_impl import ConfigLoaderImpl
from hydra.core.config_loader import ConfigLoader
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import Override
from hydra.errors import HydraException
from omegaconf import DictConfig, Node, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from tmgg.experiment_utils.program.pickling import PICKLING_ERRORS

# This function exists up to Hydra 1.3; a Hydra without it composes every job itself.
_OVERRIDES_DIRNAME = getattr(config_loader_impl, "get_overrides_dirname", None)
_COMPOSITION_ERRORS = (HydraException, OmegaConfBaseException, KeyError, ValueError)
_LINES_KEPT = 10_000
_PLAIN_KEY = re.compile(r"[A-Za-z_][\w-]*(\.[\w-]+)*")
# Keys of hydra.job that Hydra reads after it applied the values, to make other parts from them.
_READ_LATER = ("name", "env_copy")


def for_sweeps(loader: ConfigLoader) -> ConfigLoader:
    """A loader with the same results, faster in sweeps; `loader` itself if it is not Hydra's."""
    is_known = type(loader) is ConfigLoaderImpl and _OVERRIDES_DIRNAME is not None
    return SweepConfigLoader(loader) if is_known else loader  # type: ignore[arg-type]


class SweepConfigLoader(ConfigLoaderImpl):
    """Hydra's loader, with `load_sweep_config` as the module's docstring says."""

    def __init__(self, own: ConfigLoaderImpl) -> None:
        self.config_search_path = own.config_search_path
        self.repository = own.repository
        self._own = own
        self._parse = functools.lru_cache(_LINES_KEPT)(OverridesParser.create().parse_override)
        self._is_group: dict[tuple[str, _Sweep], bool] = {}
        self._starts: dict[tuple[_Sweep, tuple[str, ...]], _Start | None] = {}

    def __reduce__(self) -> tuple[Any, ...]:
        return _itself, (self._own,)  # a job does not need what is kept here

    def load_sweep_config(
        self, master_config: DictConfig, sweep_overrides: list[str]
    ) -> DictConfig:
        """The config that Hydra's own method would return."""
        config = self._from_start(master_config, sweep_overrides)
        if config is None:
            return super().load_sweep_config(master_config, sweep_overrides)
        OmegaConf.copy_cache(from_config=master_config, to_config=config)
        return config

    def _from_start(self, master: DictConfig, lines: Sequence[str]) -> DictConfig | None:
        """The job's config; None if only Hydra's own way is certain to be right."""
        sweep = _Sweep.of(master)
        try:
            overrides = [self._parse(line) for line in lines]
            if any(item.is_sweep_override() or _is_about_hydra(item) for item in overrides):
                return None
            choosing = [self._chooses_group(item, sweep) for item in overrides]
            choices = [line for line, chooses in zip(lines, choosing, strict=True) if chooses]
            values = [
                item for item, chooses in zip(overrides, choosing, strict=True) if not chooses
            ]
            start = self._start(master, sweep, choices)
            return None if start is None else start.apply(values, all_overrides=overrides)
        except _COMPOSITION_ERRORS:
            return None

    def _chooses_group(self, override: Override, sweep: "_Sweep") -> bool:
        """Whether it chooses a group and sets no value, as in Hydra's `defaults_list.Overrides`."""
        if isinstance(override.value(), dict):
            return False
        key = (override.key_or_group, sweep)
        if key not in self._is_group:
            _parsed, repository = self._parse_overrides_and_create_caching_repo(
                sweep.config_name, list(sweep.hydra_overrides)
            )
            self._is_group[key] = repository.group_exists(override.key_or_group)
        return self._is_group[key]

    def _start(
        self, master: DictConfig, sweep: "_Sweep", choices: Sequence[str]
    ) -> "_Start | None":
        key = (sweep, tuple(choices))
        if key not in self._starts:
            self._starts[key] = None  # it stays None if Hydra cannot compose the choices alone
            self._starts[key] = _Start.of(super().load_sweep_config(master, list(choices)), choices)
        return self._starts[key]


@dataclass(frozen=True)
class _Sweep:
    """All that `load_sweep_config` reads of the sweep's own config, without the resolver cache."""

    config_name: str | None
    hydra_overrides: tuple[str, ...]

    @classmethod
    def of(cls, master: DictConfig) -> "_Sweep":
        hydra_overrides = OmegaConf.to_container(master.hydra.overrides.hydra, resolve=False)
        assert isinstance(hydra_overrides, list)
        return cls(master.hydra.job.config_name, tuple(map(str, hydra_overrides)))


@dataclass(frozen=True)
class _Start:
    """What Hydra composed from the files for one choice of groups."""

    fresh: Callable[[], DictConfig]
    """Returns a new copy."""

    @classmethod
    def of(cls, config: DictConfig, choices: Sequence[str]) -> "_Start | None":
        job = OmegaConf.to_container(config.hydra.job, resolve=False)
        assert isinstance(job, dict)
        if any("${" in str(job[key]) for key in _READ_LATER):
            return None
        if config.hydra.overrides.task != choices:
            return None
        while config.hydra.overrides.task:
            config.hydra.overrides.task.pop()
        return cls(_copier(config))

    def apply(
        self, values: Sequence[Override], *, all_overrides: list[Override]
    ) -> DictConfig | None:
        """The job's config; None if applying a value would read other values, too."""
        config = self.fresh()
        for override in values:
            if not _only_sets(override, config):
                return None
            ConfigLoaderImpl._apply_overrides_to_config([override], config)
        for override in all_overrides:
            config.hydra.overrides.task.append(override.input_line)
        names = config.hydra.job.config.override_dirname
        assert _OVERRIDES_DIRNAME is not None  # see `for_sweeps`
        config.hydra.job.override_dirname = _OVERRIDES_DIRNAME(
            overrides=all_overrides,
            kv_sep=names.kv_sep,
            item_sep=names.item_sep,
            exclude_keys=names.exclude_keys,
        )
        return config


def _is_about_hydra(override: Override) -> bool:
    return override.is_hydra_override() or override.key_or_group == "hydra"


def _only_sets(override: Override, config: DictConfig) -> bool:
    """Whether applying the override resolves nothing.

    At this point Hydra's own config lacks parts that the copy has in its hydra node. So the value
    of an interpolation may differ, but its text is the same.
    """
    if not _PLAIN_KEY.fullmatch(override.key_or_group):
        return False
    *parents, last = override.key_or_group.split(".")
    node: Node | None = config
    for part in parents:
        if not isinstance(node, DictConfig) or node._is_interpolation():
            return node is None
        node = _child(node, part)
    if not isinstance(node, DictConfig) or node._is_interpolation():
        return node is None
    return _may_replace(override, _child(node, last))


def _may_replace(override: Override, node: Node | None) -> bool:
    value = override.value()
    if node is None:
        return True
    if OmegaConf.is_config(node) and (isinstance(value, dict) or override.is_delete()):
        return False  # merged or compared with what is there
    reads = override.is_add() or override.is_delete() or isinstance(value, list)
    return not (reads and node._is_interpolation())


def _child(node: DictConfig, key: str) -> Node | None:
    if node._is_none() or node._is_missing():
        return None
    return node._get_node(key, validate_access=False, validate_key=False)


def _copier(config: DictConfig) -> Callable[[], DictConfig]:
    try:
        pickled = pickle.dumps(config)
    except PICKLING_ERRORS:
        # For example a structured config with a class inside a function. Ten times slower.
        return functools.partial(copy.deepcopy, config)
    return functools.partial(pickle.loads, pickled)


def _itself(loader: ConfigLoader) -> ConfigLoader:
    return loader
