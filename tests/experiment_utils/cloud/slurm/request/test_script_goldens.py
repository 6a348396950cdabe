"""Whole job scripts as reviewed; as the specification shows them; as shell that is sound."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.experiment_utils.cloud.slurm.request import golden_scripts
from tests.fakes.slurm.directives import parse_directives, parse_options
from tmgg.experiment_utils.cloud.slurm.request.script import ENTRYPOINT

# What differs from the specification's own lines, and why.
DEVIATIONS = {
    # Names fail where a node maps its own name to 127.0.1.1, or where a name server hangs.
    "ip_head=$head_node:6379": "ip_head=$head_ip:6379",
    # The experiment connects to the cluster whose address this is.
    "export ip_head": "export ip_head TMGG_RAY_ADDRESS=$ip_head",
    # Slurm 24.11 and newer do not set the variable; with a GPU model it reads a100:2 before.
    '--num-gpus="${SLURM_GPUS_PER_TASK}" \\': '--num-gpus="1" \\',
    # The config sits in a task file. In the background, so that bash heeds TERM meanwhile.
    'python -u -c "... execute_task() call ..."': f"python -u -c '{ENTRYPOINT}' \"$tmgg_dir\" &",
}
# From Slurm 22.05 on srun does not inherit --cpus-per-task; workers would linger for a minute.
ADDED_TO_SRUN = '--cpus-per-task="$SLURM_CPUS_PER_TASK" --wait=2 \\'
# Ray's workers are no tasks of a Slurm step.
ADDED_TO_RAY = "python -m tmgg.experiment_utils.job.slurm_step \\"

# Not followed: what a site's setup commands source. Seen as unused: what runs by `trap`.
EXCUSED_IN_SETUP = {1090, 1091}
EXCUSED_IN_TRAPS = {2317, 2329}

scripts = pytest.mark.parametrize("name", sorted(golden_scripts.CONFIGS))


@scripts
def test_the_script_is_as_reviewed(name: str) -> None:
    golden = golden_scripts.FOLDER / name
    assert golden.exists(), f"{golden} is missing; see {golden_scripts.__file__}"
    assert golden_scripts.render(name) == golden.read_text()


def test_no_golden_is_left_over() -> None:
    found = {path.name for path in golden_scripts.FOLDER.iterdir()}
    assert found == {*golden_scripts.CONFIGS, "specification_excerpt.sh"}


def test_the_script_has_the_specifications_lines_in_the_specifications_order() -> None:
    excerpt = (golden_scripts.FOLDER / "specification_excerpt.sh").read_text()
    rendered = iter(line.strip() for line in golden_scripts.render("specification.sh").splitlines())
    for line in excerpt.replace("<run_id>", "run-1").splitlines():
        expected = DEVIATIONS.get(line.strip(), line.strip())
        assert not expected or expected in rendered, f"not there, or not in order: {expected}"


def test_the_directives_are_the_specifications_and_two_more() -> None:
    excerpt = (golden_scripts.FOLDER / "specification_excerpt.sh").read_text()
    wanted = parse_directives(excerpt.replace("<run_id>", "run-1"))
    found = parse_directives(golden_scripts.render("specification.sh"))
    # Slurm truncates the logs at a requeue otherwise; the time limit is told ahead.
    assert found == [*wanted, "--open-mode=append", "--signal=B:USR2@120"]


def test_symmetric_run_gets_the_specifications_options_and_two_for_srun() -> None:
    def command(text: str) -> list[str]:
        lines = [line.strip() for line in text.splitlines()]
        start = lines.index(
            'srun --nodes="$SLURM_JOB_NUM_NODES" --ntasks="$SLURM_JOB_NUM_NODES" \\'
        )
        return lines[start : start + 10]

    excerpt = command((golden_scripts.FOLDER / "specification_excerpt.sh").read_text())
    expected = [DEVIATIONS.get(line, line) for line in excerpt]
    expected[1:1] = [ADDED_TO_SRUN, ADDED_TO_RAY]
    assert command(golden_scripts.render("specification.sh")) == expected[:10]
    assert len(excerpt) == 8


@scripts
def test_the_script_is_bash(name: str) -> None:
    checked = subprocess.run(
        ["bash", "-n"],
        input=golden_scripts.render(name),
        capture_output=True,
        text=True,
        timeout=10,
    )
    assert (checked.returncode, checked.stderr) == (0, "")


def test_the_script_passes_shellcheck() -> None:
    beside = Path(sys.executable).parent / "shellcheck"
    command = str(beside) if beside.exists() else shutil.which("shellcheck")
    assert command, "shellcheck is not installed; it is in the `test` dependency group"
    files = [str(golden_scripts.FOLDER / name) for name in golden_scripts.CONFIGS]
    checked = subprocess.run(
        [command, "--format=json", *files],
        capture_output=True,
        text=True,
        timeout=150,
    )
    complaints = [
        f"{item['file']}:{item['line']} SC{item['code']} {item['message']}"
        for item in json.loads(checked.stdout)
        if not _excused(item)
    ]
    assert complaints == []


def _excused(item: dict[str, int | str]) -> bool:
    text = Path(str(item["file"])).read_text()
    line = int(item["line"])
    setup = _line_of(text, "# Environment setup"), _line_of(text, "trap - ERR")
    traps = _line_of(text, "tmgg_check_setup() {"), _line_of(text, "tmgg_stage=restart")
    if item["code"] in EXCUSED_IN_SETUP:
        return setup[0] < line < setup[1]
    return item["code"] in EXCUSED_IN_TRAPS and traps[0] <= line < traps[1]


def _line_of(text: str, beginning: str) -> int:
    lines = text.splitlines()
    return next(number for number, line in enumerate(lines, 1) if line.startswith(beginning))


def test_the_config_is_nowhere_in_the_script() -> None:
    options = parse_options(parse_directives(golden_scripts.render("everything.sh")))
    assert "comment" not in options
    assert "export" not in options
    text = golden_scripts.render("everything.sh")
    assert "task.json" not in text
    assert "token=" not in text.lower()
