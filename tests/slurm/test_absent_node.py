"""A node on which TMGG cannot begin: the run ends at once, and says why in that node's words."""

from typing import Any

import pytest

from tests.slurm.login import PYTHON
from tests.slurm.trial import Trial, within

# A cluster starts the job and ends it; the limit for nodes that do not report is 300 s.
AT_ONCE_S = 20.0


@pytest.mark.parametrize("options", [
    pytest.param({"tasks_per_node": 1}, id="ranks"),
    pytest.param({"ray_bootstrap": "managed", "mem_per_cpu": "1GB"}, id="ray"),
])  # fmt: skip
def test_a_node_without_the_jobs_python_ends_the_run_at_once(
    trial: Trial, options: dict[str, Any]
) -> None:
    here = f"/tmp/only-on-first-{trial.login.folder.name}"  # each machine has its own /tmp
    made = f"printf '#!/bin/sh\\nexec {PYTHON} \"$@\"\\n' > {here}/python && chmod +x {here}/python"
    setup = [f"mkdir -p {here}", made]
    slurm = {"nodes": 2, "python": f"{here}/python", "setup_commands": setup, **options}

    with within(AT_ONCE_S):
        result = trial.result(trial.spawn(slurm=slurm))

    failure = result["failure"]
    assert failure["kind"] == "environment", failure
    assert "its supervisor ended before it could connect (Exited with" in failure["message"]
    assert f"{here}/python: No such file or directory" in failure["message"]
    assert "could not begin on a node" in failure["hint"]
