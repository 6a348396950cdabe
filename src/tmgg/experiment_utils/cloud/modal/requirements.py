"""The packages of a container, pinned to the versions that are installed on the submitting side.

So an experiment has the same versions there as here. Pure, except for asking what is installed.
"""

from collections.abc import Sequence
from importlib import metadata

DISTRIBUTION = "tmgg"


def pinned_requirements(extras: Sequence[str] = ()) -> list[str]:
    """TMGG's direct and indirect dependencies as `name==version`, sorted.

    A version's local part (`+cpu`) is left out, because the package index has the build that fits
    the container.
    """
    from packaging.requirements import Requirement  # comes with the extra; only needed to deploy

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
                if key != DISTRIBUTION:  # an extra of TMGG that names another; TMGG itself is sent
                    pinned[key] = version
                open_items.append((key, frozenset(requirement.extras)))
    return [f"{name}=={version}" for name, version in sorted(pinned.items())]


def _applies(marker: object, extras: frozenset[str]) -> bool:
    if marker is None:
        return True
    evaluate = marker.evaluate  # type: ignore[attr-defined]
    return any(evaluate({"extra": extra}) for extra in ["", *extras])


def _version(name: str) -> str | None:
    """The installed version without its local part; None if the package is not installed here."""
    try:
        return metadata.version(name).partition("+")[0]
    except metadata.PackageNotFoundError:
        return None
