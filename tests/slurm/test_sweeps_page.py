"""docs/sweeps.md on a real cluster, as printed but for fewer steps of training."""

from pathlib import Path

import pytest

from tests.docs.examples import Command, Script, parse_examples
from tests.slurm.login import Login
from tests.slurm.test_slurm_page import FEW_STEPS, RUN_S, TMGG_EXPERIMENT

pytestmark = [pytest.mark.long, pytest.mark.ray, pytest.mark.timeout(900)]

STEPS = parse_examples(Path(__file__).parents[2] / "docs" / "sweeps.md")


def test_the_command_packs_the_sweep(alice: Login) -> None:
    (command, *_benchmark) = [step.argv for step in STEPS if isinstance(step, Command)]
    assert command[0] == "tmgg-experiment"
    done = alice.run(*TMGG_EXPERIMENT, *command[1:], *FEW_STEPS, timeout_s=2 * RUN_S)
    assert done.stdout.count("completed") >= 4
    (script,) = alice.host_folder.glob("slurm_outputs/.batches/*/job.sh")
    assert "packed" in script.read_text()


def test_the_python_examples_run(alice: Login) -> None:
    script = "\n".join(step.text for step in STEPS if isinstance(step, Script))
    stage = ("+stage=stage1_poc", *FEW_STEPS)
    few = script.replace('"+stage=stage1_poc"', ", ".join(map(repr, stage)))
    assert few != script
    code = f"{few}\nimport json\nprint(json.dumps([r.status for r in results]))"
    assert alice.python(code, timeout_s=2 * RUN_S) == ["completed"] * 4
