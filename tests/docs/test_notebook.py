"""Functions and classes of a notebook as runs, in a real kernel, edited between cells; progress."""

import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.long

NOTEBOOK = '''
import nbformat
from nbclient import NotebookClient

CELLS = ["""
from tmgg import LocalRunner
runner = LocalRunner()
class P:
    def __init__(self, x): self.x = x
def f(p): return P(p.x + 1)
r = runner.submit(f, P(1)).result(100)
print(r.x, isinstance(r, P), runner.submit(lambda y: y * 2, 4).result(100))
""", """
def f(p): return P(p.x + 100)
class P:
    def __init__(self, x): self.x, self.new = x, True
r = runner.submit(f, P(1)).result(100)
print(r.x, r.new)
"""]
CELLS.append("""
from tmgg.notebook import progress
configs = [{"experiment": {"_target_": "quick:run"}} for _ in range(3)]
results = runner.run_sweep(configs, on_update=progress(3))
""")
notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(each) for each in CELLS])
NotebookClient(notebook, timeout=150, kernel_name="python3").execute()
*printed, shown = [cell.outputs for cell in notebook.cells]
print(*(outputs[0]["text"] for outputs in printed))
print(len(shown), shown[0]["output_type"], shown[0]["data"]["text/plain"].splitlines()[0])
'''


def test_what_a_cell_defines_runs_as_it_is_now(tmp_path: Path) -> None:
    pytest.importorskip("ipykernel")
    pytest.importorskip("nbclient")
    (tmp_path / "quick.py").write_text("def run(config):\n    return {'x': 1.0}\n")
    done = subprocess.run(
        [sys.executable, "-c", NOTEBOOK], cwd=tmp_path, capture_output=True, text=True, timeout=250
    )
    words = done.stdout.split()
    assert words[:5] == ["2", "True", "8", "101", "True"], done.stderr
    # One output, which changed in its place.
    assert words[5:7] == ["1", "display_data"], done.stdout
    assert done.stdout.rstrip().endswith("3 runs: 3 completed")
