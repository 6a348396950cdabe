"""Finds runs that are nearly, or not certainly, the same, to tell the user. Writes nothing."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from tmgg.experiment_utils.identity.programs import gone_file
from tmgg.experiment_utils.identity.run_identity import (
    MADE_ANEW,
    PROGRAM,
    Identity,
    counted,
    flatten,
)

_OF_SWEEPS = ("<hydra.sweep.dir>", "<hydra.run.dir>")


def made_anew(today: Identity) -> list[str]:
    """Config values that differ at each evaluation, so that only what is written was compared."""
    return sorted(
        name
        for name, counts in today.places.items()
        if isinstance(counts, str) and MADE_ANEW in counts
    )


def may_be_moved_inputs(
    today: Identity, config: Mapping[str, Any], earlier: Mapping[str, Any]
) -> list[str]:
    """Config values of a recognised run that come from Hydra's folders, and may be inputs.

    A value is returned if it differs from the earlier run's value, and if it comes from the sweep's
    folder, or if a file or a folder that is not empty is already there.
    """
    before, now = dict(flatten(earlier)), dict(flatten(config))
    return sorted(
        name
        for name, counts in today.places.items()
        if isinstance(counts, str) and name in before and before[name] != now.get(name)
        if any(mark in counts for mark in _OF_SWEEPS) or _is_there(counts, now.get(name))
    )


def _is_there(counts: str, place: object) -> bool:
    if "<hydra.runtime.output_dir>" not in counts or not isinstance(place, str):
        return False
    try:
        path = Path(place)
        return path.is_file() or (path.is_dir() and any(path.iterdir()))
    except OSError:
        return False


def reordered(today: object, earlier: object, name: str = "") -> Iterator[str]:
    """The names of mappings in a config whose keys had another order in the earlier config."""
    if isinstance(today, Mapping) and isinstance(earlier, Mapping):
        common = [key for key in today if key in earlier]
        if common != [key for key in earlier if key in today]:
            yield name or "the config"
        for key in common:
            yield from reordered(today[key], earlier[key], f"{name}.{key}" if name else str(key))
    elif isinstance(today, list) and isinstance(earlier, list):
        for index, (one, other) in enumerate(zip(today, earlier, strict=False)):
            yield from reordered(one, other, f"{name}[{index}]")


def same_config_elsewhere(
    asked: Mapping[str, tuple[Identity, Mapping[str, Any]]],
    known: Sequence[tuple[Identity, Mapping[str, Any]]],
) -> dict[str, str]:
    """For requests, by run id: the removed program of an earlier run that is otherwise the same."""
    gone: dict[str, str] = {}
    for identity, config in known:
        file = gone_file(identity.program)
        if file is not None:
            with_inputs = identity.inputs is not None
            gone.setdefault(_beside_program(identity, config, with_inputs=with_inputs), file)
    if not gone:
        return {}
    found: dict[str, str] = {}
    for run_id, each in asked.items():
        keys = [_beside_program(*each, with_inputs=known) for known in (True, False)]
        files = [gone[key] for key in keys if key in gone]
        found |= {run_id: files[0]} if files else {}
    return found


def _beside_program(identity: Identity, config: Mapping[str, Any], *, with_inputs: bool) -> str:
    parts = counted(identity, dict(config), with_inputs=with_inputs)
    beside = sorted((name, value) for name, value in parts.items() if name != PROGRAM)
    return str([with_inputs, beside])
