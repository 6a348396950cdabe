"""Options of a test cluster: what is refused, and that nothing is lost on the way to disk."""

from dataclasses import replace
from pathlib import Path

import pytest

from slurm_cluster import ClusterOptions, OptionError
from slurm_cluster.options import parse_setting


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("name", "Upper"),
        ("name", "a/b"),
        ("name", ""),
        ("name", "a" * 21),
        ("nodes", 0),
        ("nodes", 65),
        ("cpus", 0),
        ("memory_mb", 1),
        ("gpus", -1),
        ("slurmd_timeout_s", 0),
        ("max_array_size", 1),
        ("min_job_age_s", 1),
        ("release", "buster"),
        ("release", "../elsewhere"),
        ("shared_folder", "nfs"),
        ("state_dir", Path("relative")),
        ("state_dir", Path("/run/somewhere")),
    ],
)
def test_an_impossible_value_is_refused_by_name(field: str, value: object) -> None:
    with pytest.raises(OptionError, match=field):
        ClusterOptions(**{field: value})  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "setting", ["NoEquals", "Bad Key=1", "KillWait=5\nMinJobAge=2", "NodeName=x", "Include=/x"]
)
def test_a_setting_that_is_no_line_of_slurm_conf_is_refused(setting: str) -> None:
    with pytest.raises(OptionError, match="setting"):
        parse_setting(setting)


def test_a_setting_keeps_further_equals_signs() -> None:
    assert parse_setting("SchedulerParameters=bf_interval=2") == (
        "SchedulerParameters",
        "bf_interval=2",
    )


def test_options_survive_the_state_file() -> None:
    options = ClusterOptions(
        name="x-1", nodes=2, settings={"KillWait": "9"}, state_dir=Path("/srv/x"), min_job_age_s=2
    )
    assert ClusterOptions.from_json(options.to_json()) == options


def test_unknown_options_in_a_state_file_are_named() -> None:
    with pytest.raises(OptionError, match="colour"):
        ClusterOptions.from_json({"name": "x", "colour": "red"})


def test_only_what_needs_other_machines_is_fixed_while_up() -> None:
    options = ClusterOptions()
    other = replace(options, nodes=5, accounting=False, min_job_age_s=2, settings={"KillWait": "1"})
    assert options.fixed_differences(other) == ["nodes", "accounting"]


def test_nodes_are_numbered_from_one() -> None:
    assert ClusterOptions(nodes=2).node_names == ("node1", "node2")
