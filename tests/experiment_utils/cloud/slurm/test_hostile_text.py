"""Newline, quote, `$()`, `;` and worse in every text of a SlurmConfig.

Each field either refuses such a value or its value arrives unchanged: in the directives as sbatch
reads them, or as one argument of a command as bash runs it (see test_script_quoting).
"""

import dataclasses
import shlex
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.fakes.slurm.directives import parse_directives, parse_options
from tmgg.errors import ConfigError
from tmgg.experiment_utils.cloud.slurm.config import SlurmConfig
from tmgg.experiment_utils.cloud.slurm.request.directives import quoted_directive, render_directives
from tmgg.experiment_utils.cloud.slurm.request.script import (
    Interpreter,
    render_script,
)
from tmgg.experiment_utils.run_folder.paths import RunPaths, resolve_output_dir

BASE = Path("/home/a b")
HOSTILE = [
    "a\nb",
    "a'b",
    'a"b',
    "$(touch canary)",
    "`touch canary`",
    "a;b",
    "a b",
    "a#b",
    "a|b",
    "é",
]
# What a job is called and where files are may hold anything printable; it is quoted.
QUOTED = {"job_name", "output_dir", "python", "script_template"}
NEVER_IN_SCRIPTS = {"stop_signal", "clusters"}  # of narrow form, and used outside of scripts
NAMES = {
    "partition": "partition", "account": "account", "qos": "qos", "constraint": "constraint",
    "reservation": "reservation", "nodelist": "nodelist", "exclude": "exclude",
    "gpu_type": "gpus-per-task", "dependency": "dependency", "mail_user": "mail-user",
    "mail_type": "mail-type", "time_limit": "time", "mem_per_cpu": "mem-per-cpu",
    "mem_per_node": "mem", "mem_per_gpu": "mem-per-gpu",
}  # fmt: skip


# Words of a command in the script, so narrow that they need no quotes.
SHELL_WORDS = {"network_interface": "--interface", "node_scratch": "--scratch"}


def text_fields() -> list[str]:
    return [
        item.name
        for item in dataclasses.fields(SlurmConfig)
        if item.type in ("str", "str | None", str, str | None)
    ]


def directives(config: SlurmConfig, run_id: str = "run") -> dict[str, str]:
    """The options as sbatch reads them out of the whole script."""
    paths = RunPaths(resolve_output_dir(config.output_dir, BASE), run_id).submission(1)
    script = render_script(config, paths, base=BASE, interpreter=Interpreter())
    return parse_options(parse_directives(script))


def test_every_text_field_is_either_quoted_or_restricted() -> None:
    assert set(text_fields()) == QUOTED | set(NAMES) | set(SHELL_WORDS) | NEVER_IN_SCRIPTS


@pytest.mark.parametrize("name", sorted(NAMES))
@pytest.mark.parametrize("value", HOSTILE)
def test_a_name_that_slurm_takes_verbatim_holds_nothing_to_quote(name: str, value: str) -> None:
    if name == "constraint" and value == "a|b":
        assert directives(SlurmConfig(constraint=value))["constraint"] == "a|b"
        return
    with pytest.raises(ConfigError) as caught:
        SlurmConfig(**{name: value})  # type: ignore[arg-type]
    assert f"{name}={value!r}" in str(caught.value)


@given(st.sampled_from(sorted(SHELL_WORDS)), st.text(max_size=8))
def test_whatever_word_is_accepted_is_one_word_of_the_command(name: str, value: str) -> None:
    try:
        config = SlurmConfig(ray_bootstrap="managed", **{name: value})  # type: ignore[arg-type]
    except ConfigError:
        return
    paths = RunPaths(resolve_output_dir(config.output_dir, BASE), "run").submission(1)
    script = render_script(config, paths, base=BASE, interpreter=Interpreter())
    (line,) = [line for line in script.splitlines() if f"{SHELL_WORDS[name]}=" in line]
    assert f"{SHELL_WORDS[name]}={value}" in shlex.split(line)


@given(st.sampled_from(sorted(NAMES)), st.text(max_size=8))
def test_whatever_name_is_accepted_arrives_as_it_is(name: str, value: str) -> None:
    try:
        config = SlurmConfig(**{name: value})  # type: ignore[arg-type]
    except ConfigError:
        return
    expected = f"{value}:1" if name == "gpu_type" else value
    assert directives(config)[NAMES[name]] == expected


PRINTABLE = st.text(
    st.characters(exclude_categories=["C", "Z"]) | st.sampled_from(" '\"\\#$`;&|()%"), min_size=1
)


@given(PRINTABLE)
def test_any_job_name_arrives_unchanged(name: str) -> None:
    assert directives(SlurmConfig(job_name=name))["job-name"] == name


@given(PRINTABLE)
def test_any_value_quoted_for_a_directive_reads_back(value: str) -> None:
    line = f"#SBATCH --x={quoted_directive(value)} --y=1 # comment"
    assert parse_directives(line) == [f"--x={value}", "--y=1"]


@given(PRINTABLE)
def test_any_output_folder_arrives_unchanged_but_for_slurms_own_per_cent_signs(name: str) -> None:
    try:
        config = SlurmConfig(output_dir=name)
    except ConfigError:
        assert "\\" in name or name.startswith("~")
        return
    found = directives(config)
    for option, suffix in (("output", "out"), ("error", "err")):
        log = found[option]
        assert "%" not in log.replace("%%", "")
        expected = resolve_output_dir(config.output_dir, BASE) / f"run.{suffix}"
        assert BASE / log.replace("%%", "%") == expected


@given(PRINTABLE)
def test_any_value_of_an_extra_option_arrives_unchanged(value: str) -> None:
    assert directives(SlurmConfig(extra_args=(f"--licenses={value}",)))["licenses"] == value


@given(st.text())
def test_an_extra_option_never_adds_a_second_one(option: str) -> None:
    try:
        config = SlurmConfig(extra_args=(option,))
    except ConfigError:
        return
    plain = parse_directives(rendered(SlurmConfig()))
    assert parse_directives(rendered(config)) == [*plain, option]


def rendered(config: SlurmConfig) -> str:
    return render_directives(config, stdout="o", stderr="e", array=None, outlives_nodes=False)


@pytest.mark.parametrize("value", HOSTILE[1:])
def test_a_hostile_template_path_is_only_a_path(value: str) -> None:
    with pytest.raises(ConfigError) as caught:
        directives(SlurmConfig(script_template=value))
    assert f"script_template={value!r} cannot be read" in str(caught.value)


def test_a_template_with_an_unknown_placeholder_names_those_there_are(tmp_path: Path) -> None:
    template = tmp_path / "job.sh"
    template.write_text("#!/bin/bash\n@{directives}\n@{colour}\n")
    with pytest.raises(ConfigError, match=r"unknown placeholder: 'colour'.*Known: @\{directives\}"):
        directives(SlurmConfig(script_template=str(template)))
    template.write_text("#!/bin/bash\n@{directives}\n@{Colour}\n")
    with pytest.raises(ConfigError, match="unknown placeholder"):
        directives(SlurmConfig(script_template=str(template)))


def test_a_template_that_is_no_text(tmp_path: Path) -> None:
    template = tmp_path / "job.sh"
    template.write_bytes(b"\xff\xfe")
    with pytest.raises(ConfigError, match=r"script_template=.*cannot be read"):
        directives(SlurmConfig(script_template=str(template)))


@given(PRINTABLE.filter(lambda text: ":" not in text))
def test_placeholders_in_values_are_left_alone(text: str) -> None:
    name = "@{folder}@@" + text
    assert directives(SlurmConfig(job_name=name))["job-name"] == name
