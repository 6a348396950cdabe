"""What a run's start imports, and what it leaves alone."""

import json
import subprocess
import sys
from pathlib import Path

_NEEDLESS = ("s3fs", "boto3", "aiohttp", "pandas", "matplotlib", "tensorboard", "ray", "networkx")
_RUN = """
import json, sys
from tmgg.training.experiment import run
run({"output_dir": sys.argv[1], "data": {"n": 8, "validation_graphs": 2, "test_graphs": 2},
     "model": {"k": 2}, "trainer": {"steps": 1, "batch_size": 2, "bayes": "off"}})
print(json.dumps(sorted(sys.modules)))
"""


def test_a_training_imports_neither_object_stores_nor_what_only_others_use(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", _RUN, str(tmp_path)],
        capture_output=True,
        text=True,
        timeout=120,
        check=True,
    )
    loaded = json.loads(done.stdout.splitlines()[-1])
    assert (tmp_path / "checkpoints" / "best.ckpt").is_file()
    assert not [name for name in _NEEDLESS if name in loaded]
