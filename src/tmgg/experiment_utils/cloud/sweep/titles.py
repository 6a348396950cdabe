"""Makes titles for the runs of a sweep from Python, from the config keys that differ. Pure."""

import hashlib
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

from tmgg.experiment_utils.cloud.runs import TaskRequest
from tmgg.experiment_utils.files.atomic_file import JsonDict
from tmgg.experiment_utils.identity.read_environment import may_be_secret
from tmgg.experiment_utils.identity.run_identity import PLACE_KEYS

LONGEST_VALUE = 80
"""In characters. A longer value is cut, and a part of its hash is appended."""
_KEY = re.compile(r"[A-Za-z_$][\w./@:$-]*")
_WORD = re.compile(r"(?!(true|false|null|inf|nan)\b)[A-Za-z_/][\w./:@+-]*", re.IGNORECASE)


def with_titles(requests: Sequence[TaskRequest]) -> list[TaskRequest]:
    """The requests with titles in the form of Hydra overrides, unless one has a title or payload.

    Keys that may hold secrets are left out, because everyone who may read the records sees titles.
    """
    if len(requests) < 2 or any(each.title or each.payload is not None for each in requests):
        return list(requests)
    configs = [_texts(request.config) for request in requests]
    keys = list(dict.fromkeys(key for config in configs for key in config))
    varying = [key for key in keys if len({config.get(key) for config in configs}) > 1]
    return [
        replace(request, title=" ".join(f"{key}={config[key]}" for key in varying if key in config))
        for request, config in zip(requests, configs, strict=True)
    ]


def _texts(config: Any) -> dict[str, str]:
    """Each value of the config as an override would have it, by dotted key."""
    plain: JsonDict = config if isinstance(config, dict) else {}
    own = {name: value for name, value in plain.items() if name not in PLACE_KEYS}
    return {key: _text(value) for key, value in _leaves(own, "")}


def _leaves(value: Mapping[str, Any], before: str) -> Iterator[tuple[str, Any]]:
    for name, inner in value.items():
        key = f"{before}{name}"
        if not _KEY.fullmatch(key) or (isinstance(inner, str) and may_be_secret(str(name))):
            continue
        if isinstance(inner, dict) and inner:
            yield from _leaves(inner, f"{key}.")
        else:
            yield key, inner


def _text(value: Any) -> str:
    if isinstance(value, str) and len(value) <= LONGEST_VALUE and _WORD.fullmatch(value):
        return value
    text = json.dumps(value, ensure_ascii=False)
    if len(text) <= LONGEST_VALUE:
        return text
    mark = hashlib.sha256(text.encode(errors="replace")).hexdigest()[:8]
    return json.dumps(f"{text[:LONGEST_VALUE]}... ({mark})", ensure_ascii=False)
