"""Backends that other packages bring, and what is said when they are not there."""

import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.fakes.installed_package import Offer, installed_package
from tmgg.errors import ConfigError, MissingExtraError, UnreadableError
from tmgg.experiment_utils.cloud import LocalRunner, make_runner
from tmgg.experiment_utils.cloud.options import parse_options as parse_config
from tmgg.experiment_utils.cloud.runs import TaskRequest
from tmgg.experiment_utils.cloud.runs_on_record.known_run import read_known_run
from tmgg.experiment_utils.cloud.runs_on_record.runners_on_record import RunnersOnRecord
from tmgg.experiment_utils.extras import require
from tmgg.experiment_utils.run_folder.paths import RunPaths
from tmgg.hydra_plugins.dry_run import print_dry_run
from tmgg.hydra_plugins.launcher_options import launcher_table, parse_options

MODULE = """
from dataclasses import dataclass
from tmgg.experiment_utils.cloud import LocalConfig, LocalRunner

@dataclass(frozen=True, kw_only=True)
class MineConfig:
    output_dir: str = "mine_outputs"
    timeout_seconds: int = 5

def make_runner(options):
    return LocalRunner(LocalConfig(**options), name="mine")

def make_text(options):
    return "no runner"
"""


@pytest.fixture
def install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Offer]:
    with installed_package("mine", MODULE, tmp_path, monkeypatch) as offer:
        yield offer


def test_a_package_brings_a_backend_with_its_launcher_keys(install: Offer) -> None:
    install("mine = mine_runner:make_runner", "mine = mine_runner:MineConfig")

    assert make_runner("mine").backend == "mine"
    options = parse_options({"use_mine": True, "mine_output_dir": "there"})
    runner = options.make_runner()
    assert isinstance(runner, LocalRunner)
    assert runner.output_dir.name == "there"
    table = launcher_table("mine")
    assert (table["use_mine"], table["mine_output_dir"]) == (True, "mine_outputs")
    assert "mine_timeout_seconds" not in table


def test_a_config_class_is_optional(install: Offer) -> None:
    install("mine = mine_runner:make_runner", "")

    assert parse_options({"use_mine": True}).make_runner().backend == "mine"
    with pytest.raises(ConfigError, match="unknown launcher key 'mine_output_dir'"):
        parse_options({"use_mine": True, "mine_output_dir": "there"})


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"output_dir": 5}, "output_dir=5 must be text"),
        ({"timeout_seconds": True}, "timeout_seconds=True must be a whole number"),
        ({"hold_s": "x"}, "hold_s='x' must be a number or null"),
        ({"foldr": 1}, "unknown mine option 'foldr'"),
        ({}, "Not given: folder"),
    ],
)
def test_the_options_of_a_class_without_checks_are_of_the_types_it_says(
    options: dict[str, object], words: str
) -> None:
    @dataclass(frozen=True, kw_only=True)
    class Mine:
        folder: str
        output_dir: str = "mine_outputs"
        timeout_seconds: int = 5
        hold_s: float | None = None
        places: tuple[str, ...] = ()

    with pytest.raises(ConfigError, match=words):
        parse_config(Mine, options, what="mine")
    right = parse_config(Mine, {"folder": "f", "hold_s": 1, "places": ("a",)}, what="mine")
    assert (right.hold_s, right.places) == (1, ("a",))


def test_an_unknown_backend_is_answered_with_all_there_are(install: Offer) -> None:
    install("mine = mine_runner:make_runner", "")

    with pytest.raises(ConfigError, match=r"Known: local, mine, modal, ray, slurm"):
        make_runner("yours")


def test_a_package_cannot_take_the_place_of_a_built_in_backend(install: Offer) -> None:
    install("local = mine_runner:make_runner", "")

    assert type(make_runner("local")) is LocalRunner


@pytest.mark.parametrize(
    ("target", "words"),
    [
        ("absent_module:make_runner", "cannot be loaded: No module named 'absent_module'"),
        ("mine_runner:absent", "cannot be loaded"),
        ("mine_runner:make_text", "makes a str, which is not a CloudRunner"),
    ],
)
def test_a_broken_package_is_named_and_breaks_nothing_else(
    install: Offer, caplog: pytest.LogCaptureFixture, target: str, words: str
) -> None:
    install(f"mine = {target}", "mine = absent_module:Config")

    with pytest.raises(ConfigError, match=words):
        make_runner("mine")
    assert parse_options({"use_local": True}).backend == "local"
    assert caplog.text.count("absent_module:Config") == 1


def test_an_unknown_key_names_the_command_that_lists_the_keys_of_its_backend(
    install: Offer,
) -> None:
    install("mine = mine_runner:make_runner", "mine = mine_runner:MineConfig")

    for key in ("mine_foldr", "mime_output_dir"):
        with pytest.raises(ConfigError, match="hydra/launcher=tmgg_mine --cfg hydra"):
            parse_options({"use_mine": True, key: "there"})


def test_a_dry_run_says_that_the_run_would_be_a_job_of_the_backend(
    install: Offer, capsys: pytest.CaptureFixture[str]
) -> None:
    install("mine = mine_runner:make_runner", "")

    print_dry_run(make_runner("mine"), [TaskRequest(config={}, target="lab:run", run_id="r")])

    shown = capsys.readouterr().out
    assert "# run r would start lab:run as a job (mine backend" in shown
    assert "this machine" not in shown


@pytest.mark.parametrize("runners", ["", "mine = absent_module:make_runner"])
def test_a_run_whose_package_is_gone_is_unknown_here_and_not_damaged(
    install: Offer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, runners: str
) -> None:
    monkeypatch.setenv("TMGG_HOME", str(tmp_path / "home"))
    install("mine = mine_runner:make_runner", "")
    options = {"output_dir": str(tmp_path / "runs")}
    config = {"experiment": {"_target_": "tmgg.testing.experiments:number"}}
    spawned = make_runner("mine", options).spawn_experiment(config)
    install(runners, "")

    run = read_known_run(RunPaths(tmp_path / "runs", spawned.run_id))
    with pytest.raises(UnreadableError) as raised:
        RunnersOnRecord().of(run)

    assert "cannot be asked about here, and was left as it is" in str(raised.value)
    assert ".." not in str(raised.value)
    install("mine = mine_runner:make_runner", "")
    assert make_runner("mine", options).get_result(spawned).metrics == {"value": 0.5}


def test_exactly_one_switch_is_asked_for(install: Offer) -> None:
    install("mine = mine_runner:make_runner", "")

    for chosen in ({}, {"use_modal": True, "use_mine": True}, {"use_slurm": False}):
        with pytest.raises(ConfigError, match=r"exactly one of use_slurm, .*use_mine"):
            parse_options(chosen)


def test_a_missing_extra_names_the_install_command() -> None:
    with pytest.raises(MissingExtraError, match=r"pip install .*\[modal\]"):
        require("a_module_that_is_absent", extra="modal", purpose="the modal backend")


def test_a_runner_of_modal_without_the_sdk_names_the_install_command(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setitem(sys.modules, "modal", None)
    runner = make_runner("modal", {"output_dir": str(tmp_path)})
    with pytest.raises(MissingExtraError, match=r"pip install .*\[modal\]"):
        runner.spawn_experiment({}, run_id="never")
    assert not (tmp_path / "never").exists()
