"""The launcher table: every key of `hydra.launcher`, with its default and its check.

Keys of a backend are the fields of its config class behind a prefix: field `nodes` of `SlurmConfig`
is `slurm_nodes`. `launcher_files` makes the YAML files in `exp_configs/hydra/launcher`. Backends of
other packages (see `cloud.plugins`) have a switch, and keys if they have a config class.
"""

import dataclasses
import difflib
import importlib
import logging
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from hydra.core.config_store import ConfigStore
from hydra.core.plugins import Plugins
from omegaconf import OmegaConf
from omegaconf.errors import OmegaConfBaseException

from tmgg.console.ranking import Ranking, RankingMode
from tmgg.errors import ConfigError
from tmgg.experiment_utils.cloud import checks, plugins
from tmgg.experiment_utils.cloud.factory import CONFIG_CLASSES, known_backends, make_runner
from tmgg.experiment_utils.cloud.runner import CloudRunner
from tmgg.experiment_utils.cloud.sweep.policy import SweepPolicy
from tmgg.experiment_utils.job.artifacts import check_url
from tmgg.experiment_utils.run_folder.failures import FailureKind

log = logging.getLogger(__name__)

TARGET = "tmgg.hydra_plugins.tmgg_launcher.TmggLauncher"
# One key of the launcher for all backends.
_NOT_PREFIXED = "timeout_seconds"
NEAREST_SHOWN = 3
_SWITCHES = (
    "resume",
    "rerun_changed_code",
    "share_output_dir",
    "detach",
    "dry_run",
    "cancel_on_interrupt",
)


@dataclass(frozen=True, kw_only=True, slots=True)
class LauncherOptions:
    """The launcher's own options, checked."""

    backend: str
    """The one whose `use_...` switch is on."""
    parallelism: int = 4
    """Largest number of runs at once in a sweep."""
    timeout_seconds: int | None = 28800
    """Python-level limit on each experiment, in seconds; null is no limit. On Slurm it should match
    the time limit."""
    gpu_type: str | None = None
    """GPU model as the site names it; null takes any."""
    artifact_url: str | None = None
    """Where the files of each run go when it has completed, for example `s3://bucket/folder`: into
    a folder with the run's name. null leaves them where they are."""
    max_failures: int | None = None
    """After this many failed runs a sweep starts no more runs; null runs all."""
    retries: int = 1
    """How often each run of a sweep is submitted again when it fails with one of the
    `retry_kinds`."""
    retry_kinds: tuple[FailureKind, ...] = ("node_fail", "preempted")
    """Kinds of failure after which a run is submitted again."""
    memory_growth: float | None = None
    """Also submit runs of a sweep again that were out of memory, with the memory multiplied by
    this, for example 1.5; null does not."""
    resume: bool = False
    """Submit only the runs that are missing or failed: runs of earlier sweeps with the same config
    are used again."""
    rerun_changed_code: bool = False
    """With `resume`: also run those runs again whose results another version of the program's code
    made."""
    share_output_dir: bool = False
    """Let several jobs of a sweep write into one output folder; otherwise this is refused."""
    detach: bool = False
    """Return when everything is submitted, without waiting. Separate runs are then all submitted at
    once, whatever `parallelism` says, and no run is submitted again."""
    dry_run: bool = False
    """Print what would be submitted; submit nothing."""
    cancel_on_interrupt: bool = False
    """Ctrl-C during the wait cancels the runs; otherwise they go on."""
    metric: str | None = None
    """Metric by which a sweep's best run is found and its table sorted; null uses val_loss, if the
    runs have it, and keeps the table in the order of the jobs."""
    metric_mode: RankingMode = "min"
    """Whether the smallest (`min`) or the greatest (`max`) value is the best."""
    backend_options: Mapping[str, Any] = field(default_factory=dict)
    """Fields of the backend's config class, without the prefix."""

    def __post_init__(self) -> None:
        checks.integer("parallelism", self.parallelism, least=1)
        if self.timeout_seconds is not None:
            checks.integer("timeout_seconds", self.timeout_seconds, least=1)
        for name in _SWITCHES:
            checks.boolean(name, getattr(self, name))
        if self.rerun_changed_code and not self.resume:
            raise ConfigError(
                "rerun_changed_code=true needs resume=true: it runs recorded runs again"
            )
        if self.artifact_url is not None:
            check_url("artifact_url", self.artifact_url)
        if self.gpu_type is not None:
            checks.printable("gpu_type", self.gpu_type)
        Ranking(self.metric, self.metric_mode)
        self._check_policy()
        closer = self.backend_options.get("gpu_type")
        if None not in (closer, self.gpu_type) and closer != self.gpu_type:
            raise ConfigError(
                f"gpu_type={self.gpu_type!r} and {self.backend}_gpu_type={closer!r} differ; set one"
            )

    def _check_policy(self) -> None:
        if self.policy.max_failures is not None and self.detach:
            raise ConfigError(
                f"max_failures={self.max_failures} needs a launch that waits; set it or "
                "detach=true, not both"
            )

    @property
    def policy(self) -> SweepPolicy:
        """What a sweep does about runs that fail."""
        return SweepPolicy(
            max_failures=self.max_failures,
            retries=self.retries,
            retry_kinds=self.retry_kinds,
            memory_growth=self.memory_growth,
        )

    @property
    def ranking(self) -> Ranking:
        """How the best of a sweep's runs is found."""
        return Ranking(self.metric, self.metric_mode)

    def make_runner(self) -> CloudRunner:
        """The backend's runner. Raises ConfigError with the launcher's names for its options."""
        try:
            return make_runner(self.backend, self._options_with_gpu_type())
        except ConfigError as error:
            raise ConfigError(_with_prefixes(str(error), self.backend)) from error

    def _options_with_gpu_type(self) -> dict[str, Any]:
        if self.gpu_type is None or f"{self.backend}_gpu_type" not in option_names(self.backend):
            return dict(self.backend_options)
        return {**self.backend_options, "gpu_type": self.gpu_type}


def parse_options(given: Mapping[str, Any]) -> LauncherOptions:
    """Options from a `hydra.launcher` node; absent keys have their defaults.

    Raises ConfigError for an unknown key, no backend or several, or a value that is not valid.
    Keys of other backends than the chosen one are allowed, so that one YAML serves several.
    """
    plain = _plain(given)
    for key in plain:
        if key not in known_keys():
            raise ConfigError(unknown_key(key))
    backend = _chosen_backend(plain)
    prefixed = option_names(backend)
    return LauncherOptions(
        backend=backend,
        backend_options={prefixed[key]: value for key, value in plain.items() if key in prefixed},
        **{key: value for key, value in plain.items() if key in _general()},
    )


def split_options(given: Mapping[str, Any], backend: str) -> tuple[dict[str, Any], dict[str, Any]]:
    """Split launcher keys into fields of the backend's config, and keys that all launchers have.

    Raises ConfigError for a key that no launcher takes, or that belongs to another backend.
    """
    prefixed, general = option_names(backend), _general()
    for key in given:
        if key not in known_keys():
            raise ConfigError(unknown_key(key))
        if key not in prefixed and key not in general:
            raise ConfigError(
                f"{key} is not an option of the {backend} backend, to which the run belongs"
            )
    return (
        {prefixed[key]: value for key, value in given.items() if key in prefixed},
        {key: value for key, value in given.items() if key in general},
    )


def launcher_table(backend: str) -> dict[str, Any]:
    """All keys of `hydra/launcher=tmgg_<backend>`, with their defaults."""
    defaults = {item.name: _default(item) for item in _fields(backend)}
    return {
        "_target_": TARGET,
        f"use_{backend}": True,
        **_general(),
        **{key: defaults[name] for key, name in option_names(backend).items()},
    }


def known_keys() -> list[str]:
    """Every key any launcher of TMGG takes."""
    return [*_switches(), *_general(), *(key for name in _backends() for key in option_names(name))]


def unknown_key(key: str) -> str:
    """A message about a key that no launcher takes, with the known keys that are most similar."""
    near = difflib.get_close_matches(key, known_keys(), n=NEAREST_SHOWN)
    guess = f" Did you mean {' or '.join(near)}?" if near else ""
    return (
        f"unknown launcher key {key!r}.{guess} All keys: tmgg-experiment "
        f"hydra/launcher=tmgg_{_backend_meant([key, *near])} --cfg hydra --package hydra.launcher"
    )


def _backend_meant(keys: list[str]) -> str:
    """The first backend with whose prefix one of these keys begins; else slurm."""
    meant = [name for key in keys for name in _backends() if key.startswith(f"{name}_")]
    return meant[0] if meant else "slurm"


def store_tables() -> None:
    """Make `hydra/launcher=tmgg_<backend>` known to every Hydra app of this environment.

    Hydra looks for plugins more than once, and 1.4 warns about a config that is stored again.
    """
    stored = ConfigStore.instance().repo.get("hydra", {}).get("launcher", {})
    for backend in _backends():
        name, table = f"tmgg_{backend}", launcher_table(backend)
        known = stored.get(f"{name}.yaml")
        if known is None or OmegaConf.to_container(known.node) != table:
            ConfigStore.instance().store(
                group="hydra/launcher", name=name, node=table, provider="tmgg"
            )


def withdraw_tables() -> None:
    """Remove the stored tables, for apps whose search path has the YAML files.

    Hydra 1.3 takes a stored config of the same name for a schema, and warns.
    """
    Plugins.instance()  # this scan stores them; Hydra does not scan again by itself
    group = ConfigStore.instance().repo.get("hydra", {}).get("launcher", {})
    for backend in CONFIG_CLASSES:
        group.pop(f"tmgg_{backend}.yaml", None)


def _plain(given: Mapping[str, Any]) -> dict[str, Any]:
    try:
        found = {
            str(key): OmegaConf.to_container(value, resolve=True)
            if OmegaConf.is_config(value)
            else value
            for key, value in given.items()
        }
    except OmegaConfBaseException as error:
        raise ConfigError(f"hydra.launcher cannot be resolved: {error}") from error
    # `_target_`, `_recursive_` and similar keys are Hydra's.
    return {key: value for key, value in found.items() if not key.startswith("_")}


def _chosen_backend(plain: Mapping[str, Any]) -> str:
    for switch in _switches():
        if switch in plain:
            checks.boolean(switch, plain[switch])
    chosen = [backend for backend in _backends() if plain.get(f"use_{backend}") is True]
    if len(chosen) == 1:
        return chosen[0]
    found = "none is" if not chosen else f"{' and '.join(f'use_{name}' for name in chosen)} are"
    raise ConfigError(
        f"hydra.launcher must say where to run: {found} true. Set exactly one of "
        f"{', '.join(_switches())} to true."
    )


def _backends() -> list[str]:
    return [*CONFIG_CLASSES, *(name for name in known_backends() if name not in CONFIG_CLASSES)]


def _switches() -> list[str]:
    return [f"use_{backend}" for backend in _backends()]


def _general() -> dict[str, Any]:
    own = [
        item
        for item in dataclasses.fields(LauncherOptions)
        if item.name not in ("backend", "backend_options")
    ]
    return {item.name: _default(item) for item in own}


def option_names(backend: str) -> dict[str, str]:
    """Launcher key to field name."""
    return {
        f"{backend}_{item.name}": item.name
        for item in _fields(backend)
        if item.name != _NOT_PREFIXED
    }


def _fields(backend: str) -> tuple["dataclasses.Field[Any]", ...]:
    """The fields of the backend's config class; empty if no such class can be loaded."""
    if backend in CONFIG_CLASSES:
        return dataclasses.fields(config_class(backend))
    target = plugins.found(plugins.CONFIGS).get(backend)
    return () if target is None else plugins.fields_of(target, backend)


def config_class(backend: str) -> Any:
    """The config class of one of TMGG's backends."""
    return _load(CONFIG_CLASSES[backend])


def _load(target: str) -> Any:
    module, _, name = target.partition(":")
    return getattr(importlib.import_module(module), name)


def _default(item: "dataclasses.Field[Any]") -> Any:
    if item.default_factory is not dataclasses.MISSING:
        return item.default_factory()
    return list(item.default) if isinstance(item.default, tuple) else item.default


def _with_prefixes(message: str, backend: str) -> str:
    """The message of a backend's config, with the launcher's names for its options.

    A name counts at the beginning, before `=`, and where it cannot be another word (`no_kill`).
    """
    fields = {name: key for key, name in option_names(backend).items()}

    def prefixed(word: re.Match[str]) -> str:
        is_name = word.start() == 0 or word["equals"] or "_" in word["name"]
        return f"{fields[word['name']]}{word['equals']}" if is_name else word[0]

    names = "|".join(map(re.escape, fields))
    return re.sub(rf"(?<![\w.'/-])(?P<name>{names})(?![\w.'/-])(?P<equals>=?)", prefixed, message)
