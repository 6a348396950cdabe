"""A Hydra project in a folder, launched by commands: what is recognised is what it prints."""

import os
import subprocess
import sys
from pathlib import Path

APP = """
import os
import hydra
from helper import factor

@hydra.main(version_base="1.3", config_path=".", config_name="app")
def main(cfg):
    if os.path.exists("broken") and cfg.x == 2:
        raise ValueError("not mended yet")
    return {"y": cfg.x * factor() * NUMBER + int(os.environ.get("SHIFT", "0"))}

NUMBER = 10

if __name__ == "__main__":
    main()
"""
CONFIG = """
x: 1
run_id: theirs
output_dir: theirs too
experiment: a name
timeout_seconds: long
paths:
  output_dir: ${hydra:runtime.output_dir}
  checkpoint: ${.output_dir}/last.ckpt
name: ${now:%Y%m%d-%H%M%S-%f}_${hydra:job.num}
seed: ${hydra:job.num}
"""
LOCAL = ("-m", "hydra/launcher=tmgg_local")
RESUME = (*LOCAL, "hydra.launcher.resume=true")


class Project:
    """Two scripts that differ in a number, and a module beside them."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.write("helper.py", "def factor():\n    return 1\n")
        self.write("app.yaml", CONFIG)
        self.write("a.py", APP)
        self.write("b.py", APP.replace("NUMBER = 10", "NUMBER = 1000"))

    def write(self, name: str, text: str) -> None:
        (self.folder / name).write_text(text)

    def run(self, script: str, *arguments: str, code: int = 0, cwd: Path | None = None) -> str:
        """All that it printed."""
        ended = subprocess.run(
            [sys.executable, script, *arguments],
            capture_output=True,
            text=True,
            timeout=150,
            check=False,
            cwd=cwd or self.folder,
            env=os.environ | {"TMGG_HOME": str(self.folder / "home")},
        )
        assert ended.returncode == code, ended.stderr
        return ended.stdout + ended.stderr

    def values(self, printed: str, *, column: int = 4) -> list[float]:
        """The metric of each completed job, in order."""
        lines = [line for line in printed.splitlines() if " completed " in line]
        rows = [line.split() for line in lines if line.lstrip()[:1].isdigit()]
        return [float(row[column]) for row in rows]

    def count(self) -> int:
        """Submissions so far."""
        return len(list(self.folder.glob("local_outputs/*/[0-9]")))
