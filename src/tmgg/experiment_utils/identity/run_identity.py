"""The identity of a run: what it computes. Its name and the place of its files do not matter.

Two runs are the same if their *keys* are equal. The key is a hash of

- the program: module and qualified name, and its file if that is not in an installed package;
- its config, in which places and times that differ from launch to launch are replaced by names;
- its surroundings: all other input of the task that can change its result, such as the variables
  that Hydra sets in the job's environment;
- its arguments: values bound to the callable, or sent beside the task;
- its inputs: other values of the script that it uses, the command line if it may matter, and the
  working directory as seen from the program's folder. Records of earlier versions do not have them.

Resources are not part of the key. Nor is the version of the program's code, which is noted beside
the key. So a result of an earlier version is recognised, and shown as such.

Resuming, retrying and the records use this one definition.
"""

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from tmgg.errors import RecordError
from tmgg.experiment_utils.files.atomic_file import JsonDict
from tmgg.experiment_utils.identity.programs import Program, program_named, working_folder
from tmgg.experiment_utils.identity.source_code import names_in
from tmgg.experiment_utils.identity.used_values import Used
from tmgg.experiment_utils.run_folder.records import parse_record, shallow

IDENTITY_VERSION = 1
PLACE_KEYS = ("run_id", "output_dir")
"""Keys of a config that TMGG itself reads: the run's id, and where its files are."""
MADE_ANEW = "<made anew by "
"""Begins the name in place of a value that differs at each evaluation; it ends with `>`."""
PROGRAM, _ARGUMENTS = "the program", "the arguments"
_COMMAND_LINE, _WORKING_FOLDER = "the command line", "the working directory"


@dataclass(frozen=True, kw_only=True, slots=True)
class Identity:
    """The identity of a run, as its record has it beside the config."""

    key: str
    program: str
    """See `programs.Program.name`."""
    label: str = ""
    """The program's name for display."""
    source: str | None = None
    """Version of the program's code: a fingerprint; None if it is not known. Not in the key."""
    surroundings: dict[str, Any] = field(default_factory=dict)
    arguments: str | None = None
    inputs: dict[str, str] | None = None
    """By name: fingerprints of the script's values, and others; None if they are not known."""
    key_without_inputs: str = ""
    """The key that earlier versions, which did not note inputs, gave the same run."""
    places: dict[str, Any] = field(default_factory=dict)
    """Parts of the config, by name (`a.b[0]`), for which another value counts in the key; null for
    parts that do not count at all."""
    folder: str | None = None
    """The folder of Hydra's output of the run; absolute. Not in the key."""
    sweep_folder: str | None = None
    """`hydra.sweep.dir` of the launch that made it; absolute. Not in the key."""
    files: dict[str, str] = field(default_factory=dict)
    """Parts of `source`: a short hash for each file, by its path from `root`. Not in the key."""
    root: str = ""
    """The folder that the program's module is imported from."""

    def to_json(self) -> JsonDict:
        # Not asdict, which would copy all values, for each of a thousand runs.
        return {"version": IDENTITY_VERSION, **shallow(self)}

    @classmethod
    def from_json(cls, value: JsonDict, *, what: str = "identity") -> "Identity":
        return parse_record(cls, value, what=what, newest_version=IDENTITY_VERSION)


def make_identity(
    program: Program,
    *,
    config: JsonDict,
    recorded: JsonDict | None = None,
    surroundings: Mapping[str, Any] | None = None,
    arguments: str | None = None,
    given: Used | None = None,
    command_line: Sequence[str] = (),
    folder: str | None = None,
    sweep_folder: str | None = None,
) -> Identity:
    """The identity of a run of `program`; `config` has its places and times replaced.

    `recorded` is the config as in the run's record; None if nothing is replaced. `surroundings` are
    added to the program's own. `given` is what the arguments use of the script. `command_line` is
    that of the script, without what is in the config.
    """
    around = {**(surroundings or {}), **program.surroundings}
    content = [IDENTITY_VERSION, program.name, config, around, arguments]
    inputs = _inputs(program, program.used | (given or Used()), command_line)
    return Identity(
        key=_hash(["run with inputs", *content, inputs]),
        key_without_inputs=_hash(["run", *content]),
        inputs=inputs,
        program=program.name,
        label=program.label,
        source=program.source,
        surroundings=around,
        arguments=arguments,
        places={} if recorded is None else _replaced(recorded, config),
        folder=folder,
        sweep_folder=sweep_folder,
        files=dict(program.files),
        root=program.root,
    )


def identity_of_task(target: str, config: JsonDict, payload: bytes | None = None) -> Identity:
    """The identity of a task that is named by module and has a plain config."""
    program = program_named(target, names_in(config))
    return make_identity(
        program,
        config={name: value for name, value in config.items() if name not in PLACE_KEYS},
        recorded=config,
        arguments=None if payload is None else hashlib.sha256(payload).hexdigest()[:32],
    )


def _inputs(program: Program, used: Used, command_line: Sequence[str]) -> dict[str, str]:
    inputs = {**used.values, _WORKING_FOLDER: working_folder(program)}
    if command_line and used.may_need_arguments:
        inputs[_COMMAND_LINE] = _hash(list(command_line))  # a hash: it may have a password
    return inputs


def _hash(content: list[Any]) -> str:
    text = json.dumps(content, sort_keys=True)
    return hashlib.sha256(text.encode(errors="surrogatepass")).hexdigest()[:32]


def has_same_code(one: Identity, other: Identity) -> bool:
    """Whether two versions of a program's code are the same, as far as both are known."""
    if one.files and other.files:
        return one.files == other.files
    return one.source == other.source


def load_identity(value: JsonDict | None, *, what: str) -> Identity | None:
    """The identity in a task's record; None if there is none, or if it cannot be read."""
    if value is None:
        return None
    try:
        return Identity.from_json(value, what=what)
    except RecordError:
        return None


def is_same(known: Identity, asked: Identity) -> bool:
    """Whether a run on record is the same as another one, as far as its record tells."""
    return known.key == (asked.key_without_inputs if known.inputs is None else asked.key)


def counted(identity: Identity, config: JsonDict, *, with_inputs: bool = True) -> dict[str, str]:
    """The parts of a run that are in its key: for each its name, and its value as JSON.

    `with_inputs=False` is for a comparison with a run whose inputs are not known.
    """
    parts = dict(flatten(config))
    for name, value in identity.places.items():
        parts.pop(name, None)
        if value is not None:
            parts[name] = value
    beside = {PROGRAM: identity.program, _ARGUMENTS: identity.arguments}
    inputs = (identity.inputs or {}) if with_inputs else {}
    return {
        name: json.dumps(value)
        for name, value in (parts | inputs | identity.surroundings | beside).items()
    }


def differences(one: Mapping[str, str], other: Mapping[str, str]) -> list[str]:
    """The names of the parts in which two runs differ; the arguments are results of `counted`."""
    return sorted({name for name, _value in one.items() ^ other.items()})


def flatten(value: Any, name: str = "") -> Iterator[tuple[str, Any]]:
    """The leaves of a config by their names (`a.b[0]`); empty mappings and lists are leaves."""
    if isinstance(value, Mapping) and value:
        for key, item in value.items():
            yield from flatten(item, f"{name}.{key}" if name else str(key))
    elif isinstance(value, list) and value:
        for index, item in enumerate(value):
            yield from flatten(item, f"{name}[{index}]")
    else:
        yield name, value


def _replaced(recorded: JsonDict, counted: JsonDict) -> dict[str, Any]:
    """The leaves of a recorded config for which another value counts, or none (null)."""
    counts = dict(flatten(counted))
    return {
        name: counts.get(name)
        for name, value in flatten(recorded)
        if name not in counts or json.dumps(counts[name]) != json.dumps(value)
    }
