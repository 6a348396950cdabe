"""An environment without the built-in experiments' packages: Python that cannot import them."""

import os
import subprocess
import sys
from pathlib import Path

BLOCKED = ("torch", "pytorch_lightning", "lightning", "torchmetrics", "numpy", "ray")
_SITE = f"""
import sys

class _Blocker:
    @staticmethod
    def find_spec(name, path=None, target=None):
        if name.partition(".")[0] in {BLOCKED!r}:
            raise ModuleNotFoundError(f"No module named {{name!r}}", name=name)

sys.meta_path.insert(0, _Blocker)
"""


def run_bare(folder: Path, *argv: str, check: bool = True) -> subprocess.CompletedProcess[str]:
    """`python ARGV` in `folder`; its jobs lack the packages, too."""
    site = folder / ".bare"
    site.mkdir(exist_ok=True)
    (site / "sitecustomize.py").write_text(_SITE)
    environment = {
        **os.environ,
        "PYTHONPATH": os.pathsep.join(filter(None, [str(site), os.environ.get("PYTHONPATH")])),
        "TMGG_HOME": str(folder / ".tmgg"),
    }
    return subprocess.run(
        [sys.executable, *argv],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        timeout=150,
        check=check,
    )
