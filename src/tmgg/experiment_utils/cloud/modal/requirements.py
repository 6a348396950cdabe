"""The packages of a container, pinned to the versions installed where the run is submitted.

So an experiment meets there what it met here. Pure but for asking which versions are installed.
"""

from collections.abc import Sequence
from importlib import metadata

DISTRIBUTION = "tmgg"


def pinned_requirements(extras: Sequence[str] = ()) -> list[str]:
    """TMGG's dependencies and theirs, `name==version`, sorted.

    A version's local part (`+cpu`) is left out: the index has the build that fits the container.
    """
    from packaging.requirements import Requirement  # with the extra: only needed to deploy

    pinned: dict[str, str] = {}
    open_items = [(DISTRIBUTION, frozenset(extras))]
    seen: set[tuple[str, frozenset[str]]] = set()
    while open_items:
        item = open_items.pop()
        if item in seen:
            continue
        seen.add(item)
        name, wanted = item
        for text in metadata.requires(name) or []:
            requirement = Requirement(text)
            key = requirement.name.lower().replace("_", "-")
            version = _version(key)
            if version is not None and _applies(requirement.marker, wanted):
                if key != DISTRIBUTION:  # an extra that names another; the code is sent along
                    pinned[key] = version
                open_items.append((key, frozenset(requirement.extras)))
    return [f"{name}=={version}" for name, version in sorted(pinned.items())]


def _applies(marker: object, extras: frozenset[str]) -> bool:
    if marker is None:
        return True
    evaluate = marker.evaluate  # type: ignore[attr-defined]
    return any(evaluate({"extra": extra}) for extra in ["", *extras])


def _version(name: str) -> str | None:
    """None for what is not installed here: pip then chooses."""
    try:
        return metadata.version(name).partition("+")[0]
    except metadata.PackageNotFoundError:
        return None
