"""The command line, as far as it needs no cluster."""

import pytest

from slurm_cluster import ClusterOptions
from slurm_cluster.arguments import make_parser, parse_options
from slurm_cluster.cli import _ACTIONS, _CHANGES, main


def test_up_without_options_means_the_defaults() -> None:
    assert parse_options(make_parser().parse_args(["up"])) == ClusterOptions()


def test_every_option_of_up_reaches_the_cluster() -> None:
    words = (
        "up --name x --state-dir /srv/x --nodes 5 --cpus 6 --memory-mb 7000 --gpus 8 "
        "--no-accounting --constrain-memory --show-processes --slurmd-timeout 9 "
        "--cluster-name other --max-array-size 10 --min-job-age 11 --release sid "
        "--shared-folder network --private-tmp --ipv6 "
        "--set KillWait=12 --set MailProg="
    )
    options = parse_options(make_parser().parse_args(words.split()))
    defaults = ClusterOptions()
    assert options.settings == {"KillWait": "12", "MailProg": ""}
    unchanged = [
        name for name, value in options.to_json().items() if value == defaults.to_json()[name]
    ]
    assert unchanged == ["site"]  # which decides some of the others


def test_up_takes_a_site() -> None:
    assert parse_options(make_parser().parse_args(["up", "--site", "jean-zay"])) == ClusterOptions(
        site="jean-zay"
    )


def test_install_takes_a_release_and_means_the_hosts_own_without_one() -> None:
    parser = make_parser()
    assert parser.parse_args(["install", "--release", "sid"]).release == "sid"
    assert parser.parse_args(["install"]).release is None


def test_every_command_does_something() -> None:
    parser = make_parser()
    (commands,) = [a for a in parser._actions if a.dest == "verb"]
    assert commands.choices is not None
    assert set(commands.choices) == {*_ACTIONS, *_CHANGES}


def test_the_command_to_run_keeps_its_own_options() -> None:
    parsed = make_parser().parse_args(["run", "--user", "bob", "--", "srun", "--nodes", "3", "x"])
    assert parsed.command == ["srun", "--nodes", "3", "x"]


def test_an_unknown_cluster_is_an_error_that_says_what_to_do(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert main(["status", "--name", "no-such-cluster"]) == 1
    assert "`up` makes one" in capsys.readouterr().err


def test_taking_down_what_is_not_there_is_no_error() -> None:
    assert main(["down", "--name", "no-such-cluster"]) == 0


def test_a_wrong_option_is_refused_before_anything_happens(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert main(["up", "--name", "x", "--nodes", "0"]) == 1
    assert "nodes is 0" in capsys.readouterr().err
