"""A launch whose log cannot be written submits all its runs, and comes to its end."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

APP = """
import pathlib
import hydra


@hydra.main(version_base="1.3", config_path=None)
def main(cfg):
    pathlib.Path(cfg.folder, f"ran-{cfg.x}").touch()
    return cfg.x


if __name__ == "__main__":
    main()
"""
LIMIT_S = 120


@pytest.mark.parametrize("redirected", [">/dev/full 2>&1", ">&- 2>&-"])
def test_a_full_log_keeps_no_run_of_another_app_from_being_submitted(
    tmp_path: Path, redirected: str
) -> None:
    (tmp_path / "app.py").write_text(APP)
    options = "hydra/launcher=tmgg_local hydra.launcher.parallelism=1"
    ended = subprocess.run(
        ["bash", "-c", f'"{sys.executable}" app.py -m +x=1,2,3 +folder=. {options} {redirected}'],
        cwd=tmp_path,
        env={**os.environ, "TMGG_HOME": str(tmp_path / "home")},
        timeout=LIMIT_S,
        check=False,
    )
    assert ended.returncode == 0
    assert sorted(path.name for path in tmp_path.glob("**/ran-*")) == ["ran-1", "ran-2", "ran-3"]
