"""Makes frozen dataclasses of plain mappings, such as those from YAML and JSON."""

import dataclasses
import sys
import types
import typing
from collections.abc import Mapping, Sequence
from dataclasses import fields
from typing import Any, Literal, TypeVar, Union

from tmgg.errors import ConfigError
from tmgg.training.import_path import is_import_path, load_by_path

T = TypeVar("T")


def parse_dataclass(cls: type[T], values: Mapping[str, object], *, group: str) -> T:
    """The dataclass with these values; missing ones keep their default.

    Values must already have the field's type: only a whole number where a real one is expected,
    and a list where a tuple is, are converted. Raises ConfigError naming `group.key`.
    """
    hints = typing.get_type_hints(cls)
    known = [field.name for field in fields(typing.cast(Any, cls))]
    require_known(values, known, group=group)
    prefix = f"{group}." if group else ""
    return cls(**{key: _convert(values[key], hints[key], prefix + key) for key in values})


def parse_choice(
    table: Mapping[str, type[T]], values: Mapping[str, object], *, group: str, default: str
) -> T:
    """The dataclass that `values["name"]` selects, with the other values.

    A name with a colon is the import path of a user's own dataclass, or of a class that has one as
    its `Config`; otherwise it is a name in `table`.
    """
    name = values.get("name", default)
    rest = {key: value for key, value in values.items() if key != "name"}
    if is_import_path(name):
        own: type[T] = _own(str(name), group)
        return parse_dataclass(own, rest, group=group)
    if not isinstance(name, str) or name not in table:
        raise ConfigError(
            f"{group}.name is {name!r}; known names: {', '.join(table)}, or package.module:name"
        )
    return parse_dataclass(table[name], rest, group=group)


def _own(path: str, group: str) -> type[Any]:
    found = load_by_path(path, key=f"{group}.name")
    config: type[Any] = getattr(found, "Config", found)
    if not isinstance(config, type) or not dataclasses.is_dataclass(config):
        raise ConfigError(
            f"{group}.name is {path!r}, which is not a dataclass and has no Config; "
            "docs/experiments.md has an example"
        )
    return config


def require_known(values: Mapping[str, object], known: Sequence[str], *, group: str) -> None:
    """Raise ConfigError if a key is not among `known`."""
    unknown = sorted(set(map(str, values)) - set(known))
    if unknown:
        where = f"under '{group}'" if group else "at the top of the config"
        raise ConfigError(
            f"unknown key{'s' * (len(unknown) > 1)} {where}: {', '.join(unknown)}; "
            f"known keys: {', '.join(sorted(known))}"
        )


def _convert(value: object, hint: Any, path: str) -> object:
    origin, arguments = typing.get_origin(hint), typing.get_args(hint)
    if origin is Literal and value in arguments:
        return value
    if origin in (Union, types.UnionType):
        if value is None and type(None) in arguments:
            return None
        (inner,) = (argument for argument in arguments if argument is not type(None))
        return _convert(value, inner, path)
    if origin is tuple and isinstance(value, list | tuple):
        return tuple(_convert(item, arguments[0], path) for item in value)
    if dataclasses.is_dataclass(hint) and isinstance(hint, type) and isinstance(value, Mapping):
        return parse_dataclass(hint, value, group=path)
    if hint is float and type(value) is int and abs(value) <= sys.float_info.max:
        return float(value)
    if isinstance(hint, type) and type(value) is hint:
        return value
    raise ConfigError(f"{path} is {value!r}; expected {_describe(hint)}")


def _describe(hint: Any) -> str:
    origin, arguments = typing.get_origin(hint), typing.get_args(hint)
    if origin is Literal:
        return "one of " + ", ".join(map(str, arguments))
    if origin is tuple:
        return f"a list of {_describe(arguments[0])} values"
    if dataclasses.is_dataclass(hint):
        return "a group of keys"
    names = {int: "a whole number", float: "a number", str: "text", bool: "true or false"}
    return names.get(hint, str(hint))
