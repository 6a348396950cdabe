"""Tasks and results as they are written to files: plain JSON, no pickles, no code.

A task names a callable by module path and carries its config. A callable that has no such name (a
closure of a Hydra app) travels as an opaque payload file beside the task. The task then names a
callable of TMGG that opens the payload.
"""

import contextlib
import copy
import dataclasses
import json
import math
import re
import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from tmgg.errors import RecordError, TaskError
from tmgg.experiment_utils.extras import check_extra_of
from tmgg.experiment_utils.files.atomic_file import JsonDict
from tmgg.experiment_utils.job.quick_import import quick_import
from tmgg.experiment_utils.run_folder.records import parse_fields, parse_record, shallow

if TYPE_CHECKING:
    from omegaconf import DictConfig

TASK_VERSION = 1
RESULT_PREFIX = "TMGG_RESULT:"
FILES = "files"
"""The stage of a result if the job could not write the files of TMGG."""
IGNORES_CONFIG = "ignores_config"
"""Attribute of a target that never reads its config; then no DictConfig is made for it."""
DEFAULT_TARGET = "tmgg.experiments.denoising:run"

_INTERPOLATION = re.compile(r"(\\*)\$\{")

ConfigLike = Mapping[str, Any]
"""A plain mapping or a DictConfig, which is one."""
Experiment = Callable[["DictConfig"], Mapping[str, Any]]
Metrics = dict[str, float]


@dataclass(frozen=True, kw_only=True, slots=True)
class TaskInput:
    """What one run executes; the content of `task.json`."""

    run_id: str
    target: str
    """`package.module:function`, importable where the job runs."""
    config: JsonDict
    """Resolved, without the `hydra` node."""
    timeout_seconds: int | None = None
    """Python-level limit on the callable in seconds; None is no limit."""
    artifact_url: str | None = None
    """Where the experiment's files are sent when it has completed, in a folder named by run id."""
    identity: JsonDict | None = None
    """What the run is (see `identity`); None if an older TMGG recorded it."""
    process: JsonDict | None = None
    """How the job's process is set up (see `program.single`); None changes nothing."""

    def to_json(self) -> JsonDict:
        # Not asdict, which copies the config part by part: a sweep has thousands of configs.
        return {"version": TASK_VERSION, **shallow(self)}

    @classmethod
    def from_json(cls, value: JsonDict, *, what: str = "task") -> "TaskInput":
        return parse_record(cls, value, what=what, newest_version=TASK_VERSION)


@dataclass(frozen=True, kw_only=True, slots=True)
class Worker:
    """One process of a distributed computation, and where it ran."""

    rank: int
    node: str
    """Host name."""


@dataclass(frozen=True, kw_only=True, slots=True)
class TaskOutput:
    """What one attempt returned; the content of `result.json` and of the `TMGG_RESULT:` line."""

    run_id: str
    status: Literal["completed", "failed", "timeout", "stopped"]
    """`stopped`: it was asked to end early, saved its state, and can go on from it."""
    metrics: Metrics = field(default_factory=dict)
    checkpoint_path: str | None = None
    error_type: str | None = None
    """Qualified name of the exception's class."""
    error_message: str | None = None
    traceback: str | None = None
    """The last lines of the traceback."""
    stage: str | None = None
    """Where it failed: `load`, `ray`, `run`, `result` or `artifacts`, or `rank` if a rank died
    without an error message; None if it did not fail."""
    rank: int | None = None
    """Which of several ranks failed, on `hostname`; None if none did, or if there was only one."""
    stop_reason: str | None = None
    """Why it was asked to end, if it stopped: `time_limit`, `preemption`, or `terminated`."""
    submission: int = 1
    token: str | None = None
    """The submission's token; None in results written before evidence had tokens."""
    restart: int = 0
    """How often the backend had restarted the job; a result of an earlier start is stale."""
    job_id: str | None = None
    hostname: str = ""
    ray_nodes: list[JsonDict] = field(default_factory=list)
    """Alive nodes of the Ray cluster when the experiment began: hostname, address, resources."""
    changed_script: str | None = None
    """The user's script, if it was edited between submission and start; the run used the new
    version. None otherwise, and in older records."""
    changed_code: dict[str, str] = field(default_factory=dict)
    """Files of the program that were edited between submission and import. Keys: their names in the
    run's identity. Values: a short hash of the version that the run used, `?` if not known."""
    workers: list[Worker] = field(default_factory=list)
    """The processes of a distributed experiment; empty if it had only one."""
    started_at: float = 0.0
    """Unix time."""
    completed_at: float = 0.0
    duration_seconds: float = 0.0

    def to_json(self) -> JsonDict:
        metrics = {name: _strict(number) for name, number in self.metrics.items()}
        return {"version": TASK_VERSION, **dataclasses.asdict(self), "metrics": metrics}

    @classmethod
    def from_json(cls, value: JsonDict, *, what: str = "result") -> "TaskOutput":
        if isinstance(metrics := value.get("metrics"), dict):
            numbers = {name: _number_of(item) for name, item in metrics.items()}
            value = {**value, "metrics": numbers}
        workers = value.get("workers", [])
        if isinstance(workers, list) and all(isinstance(item, dict) for item in workers):
            parsed = [parse_fields(Worker, item, what=f"{what}, workers") for item in workers]
            value = {**value, "workers": parsed}
        return parse_record(cls, value, what=what, newest_version=TASK_VERSION)


# JSON has no such numbers; `tmgg-jobs --json` writes these texts, too.
_TEXT_OF = {"NaN": math.nan, "Infinity": math.inf, "-Infinity": -math.inf}


def _strict(number: float) -> float | str:
    """The number, or the text that stands for it in JSON."""
    if isinstance(number, int) or math.isfinite(number):
        return number
    return "NaN" if math.isnan(number) else ("Infinity" if number > 0 else "-Infinity")


def _number_of(value: Any) -> Any:
    """The number that a text stands for; any other value unchanged."""
    return _TEXT_OF.get(value, value) if isinstance(value, str) else value


def nodes_of(output: TaskOutput) -> list[str]:
    """Hosts of the experiment's Ray cluster, else of its ranks, else the one host it ran on."""
    hosts = sorted(str(node.get("hostname")) for node in output.ray_nodes)
    of_workers = list(dict.fromkeys(worker.node for worker in output.workers))
    return hosts or of_workers or [output.hostname]


def render_result_line(output: TaskOutput) -> str:
    """The `TMGG_RESULT:` line, without its newline (JSON escapes any inside).

    The fields that a reader of the log looks for come first.
    """
    fields = output.to_json()
    first = {name: fields[name] for name in ("run_id", "metrics", "status")}
    return RESULT_PREFIX + json.dumps(first | fields, separators=(",", ":"), allow_nan=False)


def parse_result_line(line: str) -> TaskOutput:
    """The result in a line with the prefix anywhere; raises RecordError if it is damaged.

    Loggers may put text before and after it, and this text may contain the prefix, too.
    """
    _, *texts = line.split(RESULT_PREFIX)
    if not texts:
        raise RecordError(f"no {RESULT_PREFIX} in the line")
    problem: RecordError | None = None
    for number in range(len(texts)):
        try:
            return _result_of(RESULT_PREFIX.join(texts[number:]))
        except RecordError as error:
            problem = problem or error
    assert problem is not None
    raise problem


def _result_of(text: str) -> TaskOutput:
    try:
        value, _end = json.JSONDecoder().raw_decode(text.lstrip())
    except (ValueError, RecursionError) as error:
        raise RecordError(f"the {RESULT_PREFIX} line is not JSON: {error}") from error
    if not isinstance(value, dict):
        raise RecordError(f"the {RESULT_PREFIX} line holds no JSON object")
    return TaskOutput.from_json(value, what=f"the {RESULT_PREFIX} line")


def prepare_config(config: ConfigLike) -> JsonDict:
    """`config` as plain JSON: interpolations resolved, the `hydra` node left out.

    Raises TaskError with the key's name for an unresolvable interpolation, a missing value (`???`)
    or a value that JSON cannot hold. NaN and infinity are kept.

    Text with a literal `${` is escaped, so that OmegaConf later reads it unchanged. Preparing a
    prepared config again changes nothing.
    """
    if not isinstance(config, Mapping):
        raise TaskError(
            f"the config is a {type(config).__name__}; give a mapping of names to values"
        )
    plain = _resolved(config)
    _check_json(plain, "config")
    escaped = _map_text(plain, escape_interpolation)
    assert isinstance(escaped, dict)
    return escaped


def escape_interpolation(text: str) -> str:
    """`text` escaped by OmegaConf's rules, so that OmegaConf reads it as `text`."""
    return _INTERPOLATION.sub(lambda found: f"{found[1] * 2}\\${{", text)


def target_of(config: Mapping[str, Any]) -> str:
    """The callable named by `experiment._target_`; the built-in denoising experiment by default."""
    experiment = config.get("experiment")
    target = experiment.get("_target_") if isinstance(experiment, Mapping) else None
    if target is None:
        return DEFAULT_TARGET
    _split_target(target)
    return str(target)


def module_of(target: str) -> str:
    """The module that holds the callable; raises TaskError if `target` is no such name."""
    return _split_target(target)[0]


def load_target(target: str) -> Experiment:
    """Import the callable. As with `python -m`, the working directory is searched, too.

    Raises TaskError if the name is not that of a callable, and MissingExtraError for a built-in
    experiment whose packages are missing. An ImportError of the module is raised unchanged.
    """
    module_name, function_name = _split_target(target)
    check_extra_of(module_name)
    working_directory = str(Path.cwd())
    if working_directory not in sys.path:
        sys.path.append(working_directory)
    found: Any = quick_import(module_name)
    for part in function_name.split("."):
        if not hasattr(found, part):
            raise TaskError(
                f"experiment._target_={target!r}: {module_name} has no {function_name!r}"
            )
        found = getattr(found, part)
    if not callable(found):
        raise TaskError(f"experiment._target_={target!r} is a {type(found).__name__}, not callable")
    return found  # type: ignore[no-any-return]


def _split_target(target: object) -> tuple[str, str]:
    if isinstance(target, str):
        module, _, function = target.partition(":") if ":" in target else target.rpartition(".")
        parts = [*module.split("."), *function.split(".")]
        if all(part.isidentifier() for part in parts):
            return module, function
    raise TaskError(
        f"experiment._target_={target!r} does not name a callable. "
        "Write it as package.module:function."
    )


def _resolved(config: ConfigLike) -> JsonDict:
    if type(config) is dict and _is_literal(config):
        return {name: copy.deepcopy(value) for name, value in config.items() if name != "hydra"}
    # Imported here: it takes a tenth of a second, and commands that only read runs do without.
    from omegaconf import DictConfig, OmegaConf
    from omegaconf.errors import OmegaConfBaseException

    try:
        if not isinstance(config, DictConfig):
            config = OmegaConf.create({name: config[name] for name in config if name != "hydra"})
        with _without_hydra(config) as tree:
            plain = OmegaConf.to_container(
                tree, resolve=True, throw_on_missing=True, enum_to_str=True
            )
    except OmegaConfBaseException as error:
        raise TaskError(
            f"the config cannot be resolved: {error}. Set the key named above, or remove it."
        ) from error
    assert isinstance(plain, dict)
    return plain  # type: ignore[return-value]


@contextlib.contextmanager
def _without_hydra(config: "DictConfig") -> Iterator["DictConfig"]:
    """A config of the same nodes without `hydra`. Interpolations cannot refer to `hydra` in it.

    It is not a copy, which would take longer than all the rest: within the `with` block the nodes
    belong to the new config.
    """
    from omegaconf import DictConfig, OmegaConf  # see _resolved

    names = [name for name in config if name != "hydra"]
    nodes = {name: config.__dict__["_content"][name] for name in names}
    tree = DictConfig({})
    tree.__dict__["_content"].update(nodes)
    tree._set_parent(config._get_parent())  # a part of a config may refer to the rest
    OmegaConf.copy_cache(from_config=config, to_config=tree)
    try:
        for node in nodes.values():
            node._set_parent(tree)
        yield tree
    finally:
        for node in nodes.values():
            node._set_parent(config)


def _is_literal(value: object) -> bool:
    """Whether OmegaConf would return this plain JSON unchanged, as for most prepared configs."""
    if type(value) is dict:
        return all(type(key) is str and _is_literal(item) for key, item in value.items())
    if type(value) is list:
        return all(map(_is_literal, value))
    if type(value) is str:
        return "${" not in value and value != "???"
    return value is None or type(value) in (bool, int, float)


def _map_text(value: Any, change: Callable[[str], str]) -> Any:
    if isinstance(value, dict):
        return {key: _map_text(item, change) for key, item in value.items()}
    if isinstance(value, list):
        return [_map_text(item, change) for item in value]
    return change(value) if isinstance(value, str) else value


def _check_json(value: object, where: str) -> None:
    if isinstance(value, dict):
        for key, item in value.items():
            if not isinstance(key, str):
                raise TaskError(
                    f"{where}: key {key!r} is a {type(key).__name__}; JSON keys are text"
                )
            _check_json(item, f"{where}.{key}")
    elif isinstance(value, list):
        for index, item in enumerate(value):
            _check_json(item, f"{where}[{index}]")
    elif value is not None and not isinstance(value, bool | int | float | str):
        raise TaskError(
            f"{where} is a {type(value).__name__}, which JSON cannot hold. "
            "Use text, numbers, booleans, lists and mappings."
        )
