"""What travels to the job and back: configs, targets, results."""

import enum
import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from omegaconf import OmegaConf

from tmgg.errors import RecordError, TaskError
from tmgg.experiment_utils.run_folder.task import (
    DEFAULT_TARGET,
    TaskInput,
    TaskOutput,
    load_target,
    parse_result_line,
    prepare_config,
    render_result_line,
    target_of,
)


class Colour(enum.Enum):
    RED = 1


def test_interpolations_are_resolved_and_the_hydra_node_is_left_behind() -> None:
    config = OmegaConf.create({"a": 2, "b": "${a}", "hydra": {"run": {"dir": "${nowhere}"}}})
    OmegaConf.set_struct(config, True)
    OmegaConf.set_readonly(config, True)
    assert prepare_config(config) == {"a": 2, "b": 2}
    assert "hydra" in config
    assert OmegaConf.is_readonly(config)


def test_a_plain_mapping_is_left_as_it_was() -> None:
    config = {"a": {"b": [1, "${..c}", None, True]}, "hydra": 1}
    with pytest.raises(TaskError):
        prepare_config(config)
    assert config == {"a": {"b": [1, "${..c}", None, True]}, "hydra": 1}


def test_not_a_number_and_infinity_are_kept() -> None:
    config = prepare_config({"a": math.nan, "b": [math.inf, -math.inf]})
    assert math.isnan(config["a"])
    assert config["b"] == [math.inf, -math.inf]


def test_an_enum_travels_by_its_name() -> None:
    assert prepare_config(OmegaConf.create({"colour": Colour.RED})) == {"colour": "RED"}


@pytest.mark.parametrize(
    ("config", "words"),
    [
        ({"a": {"b": "${nowhere.c}"}}, ["a.b", "nowhere", "Set the key named above"]),
        ({"a": "${no_such_resolver:x}"}, ["no_such_resolver", "Set the key"]),
        ({"a": "${b"}, ["a", "Set the key"]),
        ({"a": "???"}, ["Missing mandatory value", "a", "Set the key"]),
        ({"a": {"b": [1, b"raw"]}}, ["config.a.b[1]", "bytes", "Use text, numbers"]),
        ({"a": Path("/x")}, ["config.a", "Path", "JSON cannot hold", "Use text, numbers"]),
        ({"a": object()}, ["object", "Set the key named above"]),
        ({1: "a"}, ["key 1", "int", "JSON keys are text"]),
        ({"a": {True: 1}}, ["True", "JSON keys are text"]),
    ],
)
def test_a_config_that_json_cannot_hold_is_refused_by_the_key(
    config: dict[Any, Any], words: list[str]
) -> None:
    with pytest.raises(TaskError) as caught:
        prepare_config(config)
    for word in words:
        assert word in str(caught.value)


@pytest.mark.parametrize("config", [None, 3, "abc", [1, 2], [("a", 1)], OmegaConf.create([1])])
def test_a_config_that_is_no_mapping_is_refused_by_its_type(config: Any) -> None:
    with pytest.raises(TaskError, match=rf"{type(config).__name__}.*mapping"):
        prepare_config(config)


def test_the_target_is_the_built_in_experiment_unless_the_config_names_one() -> None:
    assert target_of({}) == DEFAULT_TARGET
    assert target_of({"experiment": {"_target_": None}}) == DEFAULT_TARGET
    assert target_of({"experiment": {"_target_": "lab.mod:run"}}) == "lab.mod:run"


@pytest.mark.parametrize(
    "target",
    ["", "run", ":run", "lab:", "lab.mod:run()", "lab mod:run", "os; rm:x", 7, ["a"], "a:b:c"],
)
def test_a_target_that_names_no_callable_is_refused(target: object) -> None:
    with pytest.raises(TaskError) as caught:
        target_of({"experiment": {"_target_": target}})
    assert repr(target) in str(caught.value)
    assert "package.module:function" in str(caught.value)


def test_targets_are_found_beside_the_working_directory(folder: Path) -> None:
    (folder / "lab_of_this_test.py").write_text(
        "class A:\n    def run(config):\n        return 1\n"
    )
    assert load_target("lab_of_this_test:A.run")({}) == 1  # type: ignore[comparison-overlap, arg-type]
    assert load_target("lab_of_this_test.A") is not None
    with pytest.raises(TaskError, match="has no 'B'"):
        load_target("lab_of_this_test:B")


def test_a_target_that_is_not_callable_is_refused() -> None:
    with pytest.raises(TaskError, match="is a float, not callable"):
        load_target("math:pi")


def test_a_modules_own_import_error_passes() -> None:
    with pytest.raises(ModuleNotFoundError, match="no_such_module"):
        load_target("no_such_module:run")


def test_a_task_survives_json() -> None:
    task = TaskInput(run_id="a", target="m:f", config={"x": [1]}, timeout_seconds=5)
    assert TaskInput.from_json(task.to_json()) == task


def output(**values: Any) -> TaskOutput:
    return TaskOutput(run_id="r", status="completed", **values)


@pytest.mark.parametrize(
    "before",
    ["", "[1,1]<stdout>: ", "(pid=123, ip=10.0.0.1) ", "2026-01-01 INFO lab: ", "\x1b[36m"],
)
@pytest.mark.parametrize("after", ["", " ", "\x1b[0m", " (repeated 2x)", "\r"])
def test_the_result_line_is_found_whatever_loggers_put_around_it(before: str, after: str) -> None:
    given = output(metrics={"loss": 0.5}, error_message="TMGG_RESULT:{} \n é \u2028")
    line = render_result_line(given)
    assert "\n" not in line
    assert line.isascii()
    assert parse_result_line(before + line + after) == given


def test_the_result_is_found_behind_other_mentions_of_the_prefix() -> None:
    given = output(metrics={"loss": 0.5})
    line = "looking for TMGG_RESULT: " + render_result_line(given)
    assert parse_result_line(line) == given
    assert parse_result_line(render_result_line(given).replace(":", ": ", 1)) == given


def test_not_a_number_and_infinity_survive_the_result_line() -> None:
    found = parse_result_line(
        render_result_line(output(metrics={"a": math.nan, "b": math.inf, "c": -math.inf}))
    )
    assert math.isnan(found.metrics["a"])
    assert (found.metrics["b"], found.metrics["c"]) == (math.inf, -math.inf)


def test_the_line_begins_with_what_a_reader_looks_for() -> None:
    line = render_result_line(replace(output(), run_id="abc123", metrics={"val_loss": 0.123}))
    beginning = 'TMGG_RESULT:{"run_id":"abc123","metrics":{"val_loss":0.123},"status":"completed",'
    assert line.startswith(beginning)


START = 'TMGG_RESULT:{"version": 1, "run_id": "r"'
COMPLETED = f'{START}, "status": "completed"'


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("", "no TMGG_RESULT:"),
        ("TMGG_RESULT", "no TMGG_RESULT:"),
        ("TMGG_RESULT:", "not JSON"),
        (START, "not JSON"),
        ("TMGG_RESULT:" + "[" * 100_000, "not JSON"),
        ("TMGG_RESULT:[1]", "no JSON object"),
        ("TMGG_RESULT:{}", "version None"),
        (START.replace("1", "99") + "}", "version 99; this TMGG reads 1 to 1"),
        (START.replace("1", "true") + "}", "version True"),
        (START + "}", "lacks fields: .*'status'"),
        (START + ', "status": "great"}', "status='great'"),
        (START + ', "status": ["completed"]}', "status="),
        (COMPLETED + ', "metrics": {"a": "b"}}', "metrics="),
        (COMPLETED + ', "ray_nodes": ["a"]}', "ray_nodes="),
        (COMPLETED + ', "hostname": 5}', "hostname=5"),
        (COMPLETED + ', "restart": true}', "restart=True"),
    ],
)
def test_a_damaged_result_line_is_a_record_error_that_says_why(line: str, words: str) -> None:
    with pytest.raises(RecordError, match=words):
        parse_result_line(line)


def test_fields_of_a_newer_tmgg_of_the_same_version_are_ignored() -> None:
    value = output().to_json() | {"colour": "blue"}
    assert TaskOutput.from_json(value) == output()
