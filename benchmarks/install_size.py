"""What an installation weighs and takes: TMGG beside hydra-submitit-launcher, in one run.

Both from pip's cache, once it is warm, so the seconds are pip's and the disk's, not the network's.
"""

import subprocess
import sys
import tempfile
import time
from pathlib import Path

from benchmarks._lab import PROJECT
from benchmarks._table import render_ratio, render_spread, render_table

ROUNDS = 3
LIMIT_S = 600
PEER = "hydra-submitit-launcher"


def main() -> None:
    with tempfile.TemporaryDirectory(prefix="tmgg-bench-") as name:
        wheel = _build(Path(name))
        contents = {"tmgg": str(wheel), PEER: PEER}
        sizes: dict[str, list[float]] = {what: [] for what in contents}
        times: dict[str, list[float]] = {what: [] for what in contents}
        counts: dict[str, int] = {}
        for number in range(ROUNDS + 1):
            for what, requirement in contents.items():
                venv = Path(name) / f"{what}-{number}"
                seconds, counts[what] = _install(venv, requirement)
                if number:  # the first fills pip's cache
                    times[what].append(seconds)
                    sizes[what].append(_bytes_in(venv) / 1e6)
        empty = Path(name) / "empty"
        _run(sys.executable, "-m", "venv", str(empty))
        rows = [
            [what, f"{sizes[what][0]:.1f} MB", render_spread(times[what]), counts[what]]
            for what in contents
        ]
        rows.append(["(an empty venv with pip)", f"{_bytes_in(empty) / 1e6:.1f} MB", "", 1])
        print(render_table(["pip install", "venv", "seconds", "packages"], rows))
        print(
            f"\nTMGG's venv is {render_ratio(sizes['tmgg'], sizes[PEER])} as large and takes "
            f"{render_ratio(times['tmgg'], times[PEER])} of the time"
        )


def _build(folder: Path) -> Path:
    _run(sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "-w", str(folder), PROJECT)
    return next(folder.glob("tmgg-*.whl"))


def _install(venv: Path, requirement: str) -> tuple[float, int]:
    _run(sys.executable, "-m", "venv", str(venv))
    python = venv / "bin" / "python"
    constraints = PROJECT / "constraints.txt"
    began = time.perf_counter()
    _run(python, "-m", "pip", "install", "--quiet", "--constraint", constraints, requirement)
    seconds = time.perf_counter() - began
    return seconds, len(_run(python, "-m", "pip", "list", "--format=freeze").splitlines())


def _bytes_in(folder: Path) -> int:
    files = (path for path in folder.rglob("*") if not path.is_symlink() and path.is_file())
    return sum(path.stat().st_size for path in files)


def _run(*argv: str | Path) -> str:
    words = [str(word) for word in argv]
    done = subprocess.run(words, capture_output=True, text=True, timeout=LIMIT_S, check=True)
    return done.stdout


if __name__ == "__main__":
    main()
