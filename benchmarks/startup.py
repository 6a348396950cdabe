"""How long the commands and the submit side take to start, next to their peers."""

import subprocess
import sys
import time
from pathlib import Path

from benchmarks._table import render_ratio, render_spread, render_table

BIN = Path(sys.executable).parent
ROUNDS = 5
HEAVY = ("torch", "ray", "modal", "pytorch_lightning")
HYDRA_APP = "import hydra; hydra.main(version_base='1.3', config_path=None)(lambda config: None)()"
PAIRS = [
    (
        "import the submit side",
        [sys.executable, "-c", "from tmgg.experiment_utils.cloud import SlurmRunner, SlurmConfig"],
        "import submitit",
        [sys.executable, "-c", "import submitit"],
    ),
    (
        "tmgg-experiment --help",
        [str(BIN / "tmgg-experiment"), "--help"],
        "a Hydra app --help",
        [sys.executable, "-c", HYDRA_APP, "--help"],
    ),
    (
        "tmgg-jobs --help",
        [str(BIN / "tmgg-jobs"), "--help"],
        "import typer and rich",
        [sys.executable, "-c", "import typer, rich.console"],
    ),
]


def main() -> None:
    rows = []
    for ours, our_argv, peer, peer_argv in PAIRS:
        our_s, peer_s = _measure(our_argv), _measure(peer_argv)
        ratio = render_ratio(our_s, peer_s)
        rows.append([ours, render_spread(our_s), peer, render_spread(peer_s), ratio])
    print(render_table(["what", "time", "peer", "time", "ratio"], rows))
    for what, argv in [(pair[0], pair[1]) for pair in PAIRS]:
        print(f"heavy modules loaded by {what}: {_heavy_modules(argv) or 'none'}")


def _measure(argv: list[str]) -> list[float]:
    times = []
    for _ in range(ROUNDS + 1):
        started = time.perf_counter()
        subprocess.run(argv, capture_output=True, check=True, timeout=60)
        times.append(time.perf_counter() - started)
    return times[1:]  # the first fills the disk cache


def _heavy_modules(argv: list[str]) -> str:
    python = [
        sys.executable,
        "-X",
        "importtime",
        *(argv[1:] if argv[0] == sys.executable else argv),
    ]
    done = subprocess.run(python, capture_output=True, text=True, check=True, timeout=60)
    loaded = {line.rpartition("|")[2].strip() for line in done.stderr.splitlines()}
    return ", ".join(name for name in HEAVY if name in loaded)


if __name__ == "__main__":
    main()
