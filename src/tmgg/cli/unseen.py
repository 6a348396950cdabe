"""What a look at folders of runs could not see, in words."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tmgg.experiment_utils.run_folder.run_folders import FolderLook


def render_unseen(looks: Mapping[Path, FolderLook]) -> list[str]:
    """A line for each folder of which not everything was seen."""
    lines = []
    for folder, look in looks.items():
        if look.problem is not None:
            lines.append(
                f"the runs in {folder} cannot be read now ({look.problem}); there may be more than "
                "are shown"
            )
        if look.closed_by is not None:
            lines.append(f"{folder} is closed to you: it belongs to {look.closed_by}")
        if look.closed:
            whose = ", ".join(f"{number} of {owner}" for owner, number in look.closed.most_common())
            lines.append(f"{folder} has runs that are closed to you: {whose}")
    return lines


def unseen_as_json(looks: Mapping[Path, FolderLook]) -> list[dict[str, Any]]:
    """The same for programs."""
    return [
        {
            "folder": str(folder),
            "problem": None if look.problem is None else str(look.problem),
            "closed_by": look.closed_by,
            "closed_runs": dict(look.closed),
        }
        for folder, look in looks.items()
        if look.problem is not None or look.closed_by is not None or look.closed
    ]


def is_unanswered(looks: Mapping[Path, FolderLook]) -> bool:
    """Whether a file system did not answer. Closed runs do not count: waiting does not help."""
    return any(look.problem is not None for look in looks.values())
