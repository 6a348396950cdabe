"""What a training of a built-in stage costs before and after its steps, beside the imports alone.

`python -m benchmarks training_start`. Processor's seconds, user and system, of whole processes run
in turns: `tmgg-experiment +stage=stage1_poc` with one step and few graphs, and a script that only
imports torch and Lightning. SciPy is no dependency of TMGG, but torchmetrics imports `scipy.signal`
where it is there; what that costs is shown, too.
"""

import importlib.util
import os
import subprocess
import sys
import tempfile
from pathlib import Path

from benchmarks._table import render_spread, render_table

ROUNDS = 5
COMMAND = str(Path(sys.executable).parent / "tmgg-experiment")
FEW = ["trainer.bayes=off", "data.test_graphs=8", "data.validation_graphs=8"]
CASES = {
    "stage1_poc, one step": [COMMAND, "+stage=stage1_poc", "trainer.steps=1", *FEW],
    "import torch, pytorch_lightning": [sys.executable, "-c", "import torch, pytorch_lightning"],
    "import torch": [sys.executable, "-c", "import torch"],
}
if importlib.util.find_spec("scipy"):
    CASES["import scipy.signal"] = [sys.executable, "-c", "import scipy.signal"]


def main() -> None:
    seconds: dict[str, list[float]] = {name: [] for name in CASES}
    for number in range(ROUNDS + 1):
        for name, argv in CASES.items():
            used_s = _processor_seconds(argv)
            if number:  # the first round fills the disk cache and compiles
                seconds[name].append(used_s)
    rows = [[name, render_spread(values)] for name, values in seconds.items()]
    print(render_table(["process", "processor's time"], rows))
    print(f"load {os.getloadavg()[0]:.1f}")


def _processor_seconds(argv: list[str]) -> float:
    before = os.times()
    with tempfile.TemporaryDirectory() as folder:
        subprocess.run(argv, cwd=folder, capture_output=True, check=True, timeout=300)
    after = os.times()
    user_s = after.children_user - before.children_user
    return user_s + after.children_system - before.children_system


if __name__ == "__main__":
    main()
