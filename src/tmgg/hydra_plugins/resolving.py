"""Resolve a job's config before the job runs, as it would resolve inside it."""

import contextlib
import os
import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, cast

from hydra.conf import HydraConf
from hydra.core.hydra_config import HydraConfig
from omegaconf import DictConfig, ListConfig, OmegaConf, open_dict, read_write

from tmgg.experiment_utils.run_folder.task import escape_interpolation

_ENVIRONMENT = re.compile(r"oc\.env:\s*['\"]?([^,}\s'\"]+)")
# A shorter value of a variable may be in other texts by chance.
_SHORTEST_PART = 4


@contextlib.contextmanager
def as_in_job(config: DictConfig, *dir_keys: str) -> Iterator[None]:
    """Inside, `${hydra:...}` in `config` resolves. The output folder is `dir_keys`, joined.

    It is set in the `hydra` node of `config`. Nothing is written to disk.
    """
    before = HydraConfig.instance().cfg
    # Not `set_config`, which copies the hydra node to protect it from tasks: that takes
    # milliseconds for each of a thousand jobs.
    HydraConfig.instance().cfg = cast(HydraConf, config)
    try:
        folder = Path(*(str(OmegaConf.select(config, key)) for key in dir_keys))
        with read_write(config.hydra.runtime), open_dict(config.hydra.runtime):
            config.hydra.runtime.output_dir = str(folder.absolute())
        yield
    finally:
        HydraConfig.instance().cfg = before


def as_written(texts: ListConfig) -> list[str]:
    """The texts without resolving their interpolations: those may give secrets, or fail here."""
    return [str(text) for text in cast(list[Any], OmegaConf.to_container(texts, resolve=False))]


def config_for_record(config: DictConfig) -> dict[str, Any]:
    """A foreign app's config for its record, as JSON. What cannot be resolved stays as written.

    The record is for users to read; the job gets the config itself.
    """
    return {str(key): _plain(config, key) for key in config if key != "hydra"}


def key_texts(node: Iterable[Any]) -> dict[Any, str]:
    """The keys of a mapping as different texts, for JSON: 1 beside "1" becomes `1 (int)`."""
    texts = {key: key for key in node if isinstance(key, str)}
    for key in node:
        if not isinstance(key, str):
            text = str(key)
            while text in texts.values():
                text = f"{text} ({type(key).__name__})"
            texts[key] = text
    return {key: texts[key] for key in node}


def _plain(node: Any, key: Any) -> Any:
    if OmegaConf.is_missing(node, key):
        return "<missing>"
    try:
        value = node[key]
    except Exception:
        # A resolver may run any code, and may work on the compute node only.
        return escape_interpolation(str(node._get_node(key)._value()))
    if OmegaConf.is_dict(value):
        return {text: _plain(value, inner) for inner, text in key_texts(value).items()}
    if OmegaConf.is_list(value):
        return [_plain(value, index) for index in range(len(value))]
    if value is None or isinstance(value, bool | int | float):
        return value
    return escape_interpolation(str(value))


def written_of_environment(config: DictConfig) -> dict[str, str]:
    """The values that contain a variable of the environment, by dotted key, as they are written.

    A summary shows `token: ${oc.env:HF_TOKEN}` instead of the value, which may be a secret. Values
    that refer to such a value count, too.
    """
    raw = {key: text for key, text in _raw_texts(config, "") if "${" in text}
    names = {name for text in raw.values() for name in _ENVIRONMENT.findall(text)}
    if not names:
        return {}  # resolve nothing without need: a resolver may do more than return a value
    secrets = {value for name in names if (value := os.environ.get(name))}
    written = {}
    for key, text in raw.items():
        try:
            value = _resolved_text(OmegaConf.select(config, key))
        except Exception:  # a resolver may run any code; the record has it as written, too
            continue
        if _ENVIRONMENT.search(text) or any(_shows(secret, value) for secret in secrets):
            written[key] = text
    return written


def _resolved_text(value: Any) -> str:
    """The value as text. If an interpolation gives a node, the text has all that is in it."""
    return str(OmegaConf.to_container(value, resolve=True) if OmegaConf.is_config(value) else value)


def _raw_texts(node: Any, prefix: str) -> Iterator[tuple[str, str]]:
    content = node.__dict__["_content"]
    if not isinstance(content, dict | list):
        if isinstance(content, str):
            yield prefix, content
        return
    items = content.items() if isinstance(content, dict) else enumerate(content)
    for name, inner in items:
        if prefix == "" and name == "hydra":
            continue
        key = f"{prefix}[{name}]" if isinstance(content, list) else f"{prefix}.{name}".lstrip(".")
        if OmegaConf.is_config(inner):
            yield from _raw_texts(inner, key)
        elif isinstance(text := inner._value(), str):
            yield key, text


def _shows(secret: str, value: str) -> bool:
    return secret == value or (len(secret) >= _SHORTEST_PART and secret in value)
