"""Launches within launches have an end."""

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tmgg.errors import ConfigError, TaskError
from tmgg.experiment_utils.job.nesting import noting_job, refuse_endless

ENDLESS = """
import subprocess, sys
from tmgg import LocalConfig, LocalRunner

def launch_again(depth):
    again = [sys.executable, "endless.py", str(depth + 1)]
    ended = subprocess.run(again, timeout=100, capture_output=True, text=True)
    return depth if ended.returncode else int(ended.stdout)

if __name__ == "__main__":
    depth = int(sys.argv[1])
    runner = LocalRunner(LocalConfig(output_dir=f"out{depth}"))
    print(runner.submit(launch_again, depth).result(100))
"""


def _jobs(*ago_s: int) -> dict[str, str]:
    now = int(time.time())
    return {"TMGG_LAUNCHED_FROM": ",".join(str(now - each) for each in ago_s)}


def test_a_program_that_launches_itself_in_each_job_is_refused_at_some_depth(
    tmp_path: Path,
) -> None:
    (tmp_path / "endless.py").write_text(ENDLESS)

    ended = subprocess.run(
        [sys.executable, "endless.py", "1"],
        cwd=tmp_path, capture_output=True, text=True, timeout=120, check=True,
        env=os.environ | {"TMGG_HOME": str(tmp_path / "home"), "TMGG_MAX_NESTING": "2"},
    )  # fmt: skip

    assert ended.stdout.strip() == "2"
    assert not (tmp_path / "out3").exists()


def test_the_message_names_the_depth_and_what_to_do() -> None:
    with pytest.raises(TaskError, match=r"4 jobs deep within 4\d s.*TMGG_MAX_NESTING to more than"):
        refuse_endless(_jobs(40, 30, 20, 10))


@pytest.mark.parametrize(
    "environment",
    [
        {},
        _jobs(3, 2, 1),
        _jobs(9, 8, 7, 6) | {"TMGG_MAX_NESTING": "5"},
        _jobs(7200, 3, 2, 1),
        {"TMGG_LAUNCHED_FROM": "something else"},
    ],
)
def test_few_or_slow_launches_within_launches_are_made(environment: dict[str, str]) -> None:
    refuse_endless(environment)


@pytest.mark.parametrize("given", ["many", "0", "-1", "1.5"])
def test_a_limit_that_is_not_a_number_is_refused(given: str) -> None:
    with pytest.raises(ConfigError, match="at least 1, not"):
        refuse_endless({"TMGG_MAX_NESTING": given})


def test_a_job_is_noted_beside_those_above_it_and_only_while_it_works(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("TMGG_LAUNCHED_FROM", "17")

    with noting_job():
        above, own = os.environ["TMGG_LAUNCHED_FROM"].split(",")
        assert (above, time.time() - int(own) < 60) == ("17", True)

    assert os.environ["TMGG_LAUNCHED_FROM"] == "17"
