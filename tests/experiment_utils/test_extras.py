"""What to install, from where TMGG itself came: PEP 610 says what pip notes."""

from pathlib import Path
from typing import Any

import pytest

from tmgg.experiment_utils.extras import command_for, install_command


@pytest.mark.parametrize(
    ("noted", "command"),
    [
        ({"dir_info": {"editable": True}}, 'pip install -e "{place}[top]"'),
        ({"dir_info": {}}, 'pip install "tmgg[top] @ {url}"'),
        ({"archive_info": {}}, 'pip install "tmgg[top] @ {url}"'),
    ],
)
def test_what_came_from_a_place_here_comes_from_there_again(
    noted: dict[str, Any], command: str, tmp_path: Path
) -> None:
    place = tmp_path / "my clone"
    place.mkdir()
    url = place.as_uri()
    assert command_for("top", noted | {"url": url}) == command.format(place=place, url=url)


@pytest.mark.parametrize("noted", [{}, {"url": "file:///gone", "dir_info": {}}])
def test_where_the_source_is_unknown_or_gone_both_ways_are_reported(noted: dict[str, Any]) -> None:
    told = command_for("top", noted)
    assert told == 'pip install "tmgg[top]", or in a clone of TMGG: pip install ".[top]"'


def test_a_commit_is_kept() -> None:
    noted = {"url": "https://host/t.git", "vcs_info": {"vcs": "git", "commit_id": "4f"}}
    told = command_for("top", noted)
    assert told == 'pip install "tmgg[top] @ git+https://host/t.git@4f"'


def test_the_command_is_one_line() -> None:
    assert "[ray]" in install_command("ray")
    assert "\n" not in install_command("ray")
