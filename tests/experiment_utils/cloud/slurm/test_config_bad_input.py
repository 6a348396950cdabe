"""Settings that cannot be are refused by name, with what was given, what is so and what to do."""

import dataclasses
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tmgg.errors import ConfigError
from tmgg.experiment_utils.cloud.factory import make_runner
from tmgg.experiment_utils.cloud.slurm.config import SlurmConfig
from tmgg.experiment_utils.cloud.slurm.request.fields import parse_time_limit_s


def refusal(**options: Any) -> str:
    """The message with which the options are refused; it names the option and what was given."""
    with pytest.raises(ConfigError) as caught:
        SlurmConfig(**options)
    return str(caught.value)


@pytest.mark.parametrize("name", ["nodes", "cpus_per_task"])
@pytest.mark.parametrize("value", [0, -1, 65_534, 10**30])
def test_counts_that_cannot_be(name: str, value: int) -> None:
    assert refusal(**{name: value}) == f"{name}={value} must be 1 to 65533"


@pytest.mark.parametrize("value", [-1, 65_534])
def test_gpu_counts_that_cannot_be(value: int) -> None:
    message = refusal(gpus_per_task=value)
    assert message == f"gpus_per_task={value} must be 0 to 65533"


@pytest.mark.parametrize(
    "name", ["nodes", "cpus_per_task", "gpus_per_task", "ray_port", "max_worker_port"]
)
@pytest.mark.parametrize("value", ["4", 4.0, True, None, [4]])
def test_counts_that_are_no_whole_numbers(name: str, value: object) -> None:
    message = refusal(**{name: value})
    assert message.startswith(f"{name}={value!r} is a {type(value).__name__}")
    assert "give a whole number" in message


@pytest.mark.parametrize("name", ["ray_port", "min_worker_port", "max_worker_port"])
@pytest.mark.parametrize("value", [0, 80, 65_536, -6379])
def test_ports_that_cannot_be(name: str, value: int) -> None:
    assert refusal(**{name: value}) == f"{name}={value} must be 1024 to 65535"


def test_a_head_port_among_the_worker_ports() -> None:
    message = refusal(ray_port=10_100)
    assert "ray_port=10100 lies among the worker ports 10002 to 19999" in message
    assert "Move one of them" in message


@pytest.mark.parametrize(("first", "last"), [(20_000, 20_000), (20_001, 20_000)])
def test_an_empty_range_of_worker_ports(first: int, last: int) -> None:
    message = refusal(min_worker_port=first, max_worker_port=last)
    assert message == f"min_worker_port={first} must be below max_worker_port={last}"


@pytest.mark.parametrize(
    "value",
    [
        "", " ", "later", "8h", "-1", "1:2:3:4", "00:60:00", "00:00:60", "1-24:00:00", "1-", "-0",
        "08:00:00\n", "08:00:00 ", "\u0660\u0668:00:00", "1.5", "$(date)", "9" * 5_000, "99999999",
    ],
)  # fmt: skip
def test_time_limits_that_cannot_be(value: str) -> None:
    message = refusal(time_limit=value)
    assert f"time_limit={value!r}"[:60] in message
    assert (
        "HH:MM:SS" in message
        or "at most 59 are allowed" in message
        or "more than 23 hours" in message
    )


@pytest.mark.parametrize("value", ["0", "00:00:00", "0-0", "0:00"])
def test_a_time_limit_of_nothing_is_not_taken_as_unlimited(value: str) -> None:
    message = refusal(time_limit=value)
    assert message == f"time_limit={value!r} must be more than 0 (Slurm reads 0 as unlimited)"


def test_a_signal_that_would_come_too_early() -> None:
    message = refusal(time_limit="10", signal_lead_s=301)
    assert message.startswith("signal_lead_s=301 is more than half of time_limit='10'")


def test_going_on_without_a_node_needs_the_managed_bootstrap() -> None:
    assert "needs ray_bootstrap=managed; it is 'symmetric-run'" in refusal(no_kill=True)


def test_a_time_limit_that_yaml_made_a_number() -> None:
    message = refusal(time_limit=43_200)
    assert "time_limit=43200 is a number" in message
    assert 'In a file write the time in quotes, for example "12:00:00"' in message
    assert "On a command line write HH:MM:SS, for example 00:10:00" in message


@pytest.mark.parametrize("value", [None, 1.5, True, ["08:00:00"]])
def test_a_time_limit_that_is_no_text(value: object) -> None:
    assert "must be text such as '08:00:00'" in refusal(time_limit=value)


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        ("30", 1_800), ("1:30", 90), ("08:00:00", 28_800), ("100:00:00", 360_000), ("1-0", 86_400),
        ("2-03", 183_600), ("1-2:03", 93_780), ("1-02:03:04", 93_784), ("unlimited", None),
        ("INFINITE", None),
    ],
)  # fmt: skip
def test_every_form_of_time_limit_that_sbatch_has(value: str, seconds: int | None) -> None:
    assert SlurmConfig(time_limit=value).time_limit_s == seconds


@given(st.text(alphabet="0123456789-:", max_size=14) | st.text())
def test_any_time_limit_is_a_number_of_seconds_or_a_config_error(value: str) -> None:
    try:
        seconds = parse_time_limit_s(value)
    except ConfigError:
        return
    assert seconds is None or seconds >= 0


@pytest.mark.parametrize(
    "value",
    [
        "",
        "0",
        "0GB",
        "-4GB",
        "lots",
        "4.5GB",
        "4 GB",
        "4GiB",
        "GB",
        "4GB\n",
        "\u0664GB",
        "9" * 30,
        "4PB",
    ],
)
def test_memory_that_cannot_be(value: str) -> None:
    message = refusal(mem_per_cpu=value)
    assert message == f"mem_per_cpu={value!r} is not an amount of memory; write for example '4GB'"


def test_memory_that_is_no_text() -> None:
    assert "mem_per_cpu=4.5 is not an amount of memory" in refusal(mem_per_cpu=4.5)
    assert "mem_per_cpu=True is not an amount of memory" in refusal(mem_per_cpu=True)
    assert "mem_per_cpu='0' is not an amount of memory" in refusal(mem_per_cpu=0)
    assert "mem_per_cpu='-4' is not an amount of memory" in refusal(mem_per_cpu=-4)


def test_a_whole_number_is_memory_in_megabytes() -> None:
    per_cpu = SlurmConfig.from_mapping({"mem_per_cpu": 100})
    assert per_cpu.memory.option == "--mem-per-cpu=100"
    per_node = SlurmConfig.from_mapping({"mem_per_node": 0})
    assert per_node.memory.option == "--mem=0"
    assert per_node.memory.words == "all of a node's memory"


@pytest.mark.parametrize("value", ["4GB", "4g", "500M", "16384", "1T", "2048KB"])
def test_every_unit_of_memory_that_sbatch_has(value: str) -> None:
    assert SlurmConfig(mem_per_cpu=value).mem_per_cpu == value


@pytest.mark.parametrize("name", ["poll_interval_s", "submit_timeout_s", "lost_grace_s"])
@pytest.mark.parametrize("value", [0, -1.0, float("nan"), float("inf"), "30", None, True])
def test_durations_that_cannot_be(name: str, value: object) -> None:
    assert refusal(**{name: value}) == f"{name}={value!r} must be a number of seconds above 0"


@pytest.mark.parametrize("name", ["exclusive", "requeue"])
@pytest.mark.parametrize("value", ["yes", 1, 0])
def test_switches_that_are_neither_true_nor_false(name: str, value: object) -> None:
    assert refusal(**{name: value}).startswith(f"{name}={value!r} must be true or false")


def test_an_unknown_bootstrap_names_those_there_are() -> None:
    message = refusal(ray_bootstrap="magic")
    known = "auto, symmetric-run, managed, none"
    assert message.startswith(f"ray_bootstrap='magic' must be one of {known}")


def test_an_unknown_key_names_the_nearest_and_all() -> None:
    with pytest.raises(ConfigError) as caught:
        make_runner("slurm", {"partitoin": "gpu"})
    message = str(caught.value)
    assert message.startswith("unknown Slurm option 'partitoin'. Did you mean 'partition'?")
    assert "Known: account, " in message


def test_an_unknown_backend_names_those_there_are() -> None:
    with pytest.raises(
        ConfigError, match=r"unknown backend 'slrum'. Did you mean 'slurm'\?.*local"
    ):
        make_runner("slrum")


@pytest.mark.parametrize("name", ["setup_commands", "extra_args"])
@pytest.mark.parametrize("value", ["module load cuda", None, 5, ["a", 5]])
def test_lists_of_text_that_are_none(name: str, value: object) -> None:
    message = refusal(**{name: value})
    assert name in message
    assert "must be" in message


@pytest.mark.parametrize(
    "command",
    [
        "", " ", "a\0b", "echo a\r", "echo \\", "if true", "echo 'a", "cat <<END", "foo() {", "fi",
        "$(", "case x in",
    ],
)  # fmt: skip
def test_setup_commands_that_would_swallow_what_follows(command: str) -> None:
    message = refusal(setup_commands=["true", command])
    assert message.startswith("setup_commands")
    assert repr(command) in message


@pytest.mark.parametrize(
    "command",
    ["module load cuda/12.1", "source ~/.bashrc && conda activate tmgg", "if true\nthen :\nfi"],
)
def test_setup_commands_that_are_whole_are_taken(command: str) -> None:
    assert SlurmConfig(setup_commands=[command]).setup_commands == (command,)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("option", "advice"),
    [
        ("--partition=x", "set partition instead"),
        ("-p", "set partition instead"),
        ("--part=x", "set partition instead"),
        ("--nodes=2", "set nodes instead"),
        ("--ntasks=2", "set tasks_per_node instead"),
        ("--mem=4G", "set mem_per_node instead"),
        ("--mem-per-gpu=4G", "set mem_per_gpu instead"),
        ("--gres=gpu:2", "set gpus_per_task and gpu_request=gres instead"),
        ("--gres=lscratch:5,gpu", "set gpus_per_task and gpu_request=gres instead"),
        ("--gres=none", "set gpus_per_task and gpu_request=gres instead"),
        ("--gpus=2", "set gpus_per_task and gpu_request=job instead"),
        ("-G", "set gpus_per_task and gpu_request=job instead"),
        ("--gpus-per-node=2", "set gpus_per_task and gpu_request=node instead"),
        ("--oversubscribe", "set exclusive instead"),
        ("--no-requeue", "set requeue instead"),
        ("--output=x", "set output_dir instead"),
        ("--chdir=/", "set output_dir instead"),
        ("--array=0-3", "TMGG sets it or relies on its absence"),
        ("--comment=x", "TMGG sets it or relies on its absence"),
        ("--clusters=other", "set clusters instead"),
        ("-M", "set clusters instead"),
        ("--export=NONE", "TMGG sets it or relies on its absence"),
        ("--export-file=x", "TMGG sets it or relies on its absence"),
        ("--parsable", "TMGG sets it or relies on its absence"),
        ("--test-only", "TMGG sets it or relies on its absence"),
        ("--wait", "TMGG sets it or relies on its absence"),
        ("--wrap=x", "TMGG sets it or relies on its absence"),
        ("--help", "TMGG sets it or relies on its absence"),
        ("--version", "TMGG sets it or relies on its absence"),
    ],
)
def test_extra_args_that_collide_are_refused_with_the_field_to_set(
    option: str, advice: str
) -> None:
    assert refusal(extra_args=[option]) == f"extra_args: {option!r} is not allowed here; {advice}"


@pytest.mark.parametrize(
    "option",
    [
        "", "licenses=a", "--licenses a", "--licenses=a\n#SBATCH --wrap=x", "--li\ncenses",
        "--licenses=\x1b[0m", "a; rm -rf /", "-", "--", "--=x", "-L=matlab", "-Lmatlab", "--Wrap=x",
    ],
)  # fmt: skip
def test_extra_args_that_are_no_single_option(option: str) -> None:
    message = refusal(extra_args=[option])
    assert repr(option) in message
    assert "--name or --name=value" in message


@pytest.mark.parametrize(
    "option",
    ["--licenses=matlab:2", "--hold", "-H", "--wait-all-nodes=1", "--nice=100", "--wckey="],
)
def test_other_extra_args_are_taken(option: str) -> None:
    assert SlurmConfig(extra_args=[option]).extra_args == (option,)  # type: ignore[arg-type]


@pytest.mark.parametrize("name", ["python", "script_template", "output_dir", "job_name"])
@pytest.mark.parametrize("value", ["", "a\nb", "a\0b", "a\tb", "\x1b", "a\u2028b", 5])
def test_texts_with_control_codes(name: str, value: object) -> None:
    assert (
        refusal(**{name: value}) == f"{name}={value!r} must be non-empty text without line breaks"
    )


@pytest.mark.parametrize("name", ["python", "script_template", "output_dir"])
def test_a_home_of_nobody(name: str) -> None:
    message = refusal(**{name: "~no-such-user/x"})
    assert message == f"{name}='~no-such-user/x' begins with the home of a user who is unknown here"


def test_an_interpreter_in_a_folder_that_cannot_be_on_path() -> None:
    message = refusal(python="/a:b/bin/python")
    assert "python='/a:b/bin/python' must have no" in message
    assert "put on PATH, where ':' separates folders" in message
    assert "Give another path" in message


@pytest.mark.parametrize("value", ["-x", "A=1", "%j", "!", "a b", "a;b", "$(x)", "~"])
def test_an_interpreter_that_is_no_commands_name(value: str) -> None:
    message = refusal(python=value)
    assert message == f"python={value!r} must look like 'python3'"


def test_an_output_dir_with_a_backslash() -> None:
    assert (
        "output_dir='a\\\\b' must have no backslash: Slurm treats backslashes in paths specially"
        in refusal(output_dir="a\\b")
    )


@pytest.mark.parametrize("item", dataclasses.fields(SlurmConfig), ids=lambda item: item.name)
def test_no_field_takes_an_object_or_nothing_where_it_needs_something(
    item: dataclasses.Field[Any],
) -> None:
    assert item.name in refusal(**{item.name: object()})
    if "None" not in str(item.type):
        assert item.name in refusal(**{item.name: None})
