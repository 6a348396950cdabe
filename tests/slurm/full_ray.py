"""What `ray[default]` adds to `ray[train]`, in a folder that jobs may put on PYTHONPATH.

With it every node serves Ray's job API and metrics, on ports that a plain Ray leaves alone. A few
tests need that; the others need not pay for it.
"""

import importlib.metadata
import subprocess
import sys

from packaging.requirements import Requirement

from slurm_cluster import Cluster
from tests.slurm.login import PROJECT


def install_full_ray(cluster: Cluster) -> str:
    """Install it once per cluster; the setup command that lets a job use it."""
    folder = cluster.shared / "full-ray"
    if not (folder / "complete").exists():
        subprocess.run(
            [sys.executable, "-m", "pip", "install", "--quiet", "--target", str(folder),
             "--constraint", str(PROJECT / "constraints.txt"), *extra_requirements()],
            check=True,
            timeout=240,
        )  # fmt: skip
        (folder / "complete").touch()
    return f"export PYTHONPATH={cluster.inside(folder)}:$PYTHONPATH"


def extra_requirements(extra: str = "default") -> list[str]:
    """What the extra asks for on this machine."""
    found = []
    for text in importlib.metadata.requires("ray") or []:
        wanted = Requirement(text)
        marker = wanted.marker
        if marker is not None and marker.evaluate({"extra": extra}):
            wanted.marker = None
            found.append(str(wanted))
    return found
