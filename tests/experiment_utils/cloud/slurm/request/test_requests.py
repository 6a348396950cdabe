"""Memory, GPUs, partition and other options in the forms that sites ask for.

That a real Slurm takes each of them: tests/slurm/test_slurm_page.py.
"""

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.fakes.slurm.directives import parse_directives
from tmgg.errors import ConfigError
from tmgg.experiment_utils.cloud.slurm.config import SlurmConfig
from tmgg.experiment_utils.cloud.slurm.request.script import Interpreter, render_script
from tmgg.experiment_utils.cloud.slurm.submit.retrying import changed
from tmgg.experiment_utils.cloud.sweep.policy import RetryChanges
from tmgg.experiment_utils.run_folder.paths import RunPaths, resolve_output_dir

BASE = Path("/home/alice")
RESOURCES = ("--mem", "--gpus", "--gres", "--partition", "--requeue", "--no-requeue")


def script(config: SlurmConfig) -> str:
    paths = RunPaths(resolve_output_dir(config.output_dir, BASE), "run").submission(1)
    return render_script(config, paths, base=BASE, interpreter=Interpreter())


def arguments(**options: Any) -> list[str]:
    """What sbatch reads in the script."""
    return parse_directives(script(SlurmConfig(**options)))


def asked(**options: Any) -> list[str]:
    """The same, of memory, GPUs, partition and requeueing."""
    return [item for item in arguments(**options) if item.startswith(RESOURCES)]


def refusal(**options: Any) -> str:
    with pytest.raises(ConfigError) as caught:
        SlurmConfig(**options)
    return str(caught.value)


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({}, ["--gpus-per-task=1", "--mem-per-cpu=4GB", "--partition=gpu"]),
        ({"mem_per_cpu": None}, ["--gpus-per-task=1", "--partition=gpu"]),
        ({"mem_per_node": "64GB"}, ["--gpus-per-task=1", "--mem=64GB", "--partition=gpu"]),
        ({"mem_per_node": "0"}, ["--gpus-per-task=1", "--mem=0", "--partition=gpu"]),
        ({"mem_per_gpu": "9G"}, ["--gpus-per-task=1", "--mem-per-gpu=9G", "--partition=gpu"]),
        ({"partition": None, "mem_per_cpu": None}, ["--gpus-per-task=1"]),
        (
            {"partition": None, "mem_per_cpu": None, "gpus_per_task": 2, "gpu_request": "node"},
            ["--gpus-per-node=2"],
        ),
        (
            {"partition": None, "mem_per_cpu": None, "gpu_request": "gres", "gpu_type": "a100"},
            ["--gres=gpu:a100:1"],
        ),
        (
            {"partition": None, "mem_per_cpu": None, "gpu_request": "gres", "tasks_per_node": 4,
             "sbatch_options": {"gres": "lscratch:100"}},
            ["--gres=gpu:4,lscratch:100"],
        ),
        (
            {"partition": None, "mem_per_cpu": None, "gpu_request": "job", "gpu_type": "a100",
             "nodes": 1, "gpus_per_task": 2},
            ["--gpus=a100:2"],
        ),
        ({"partition": None, "mem_per_cpu": None, "gpu_request": "none"}, []),
        ({"partition": None, "mem_per_cpu": None, "gpus_per_task": 0}, []),
        (
            {"partition": None, "mem_per_cpu": None, "gpus_per_task": 0,
             "sbatch_options": {"gres": "lscratch:100"}, "extra_args": ["--gres=tmp:1"]},
            ["--gres=tmp:1,lscratch:100"],
        ),
        (
            {"partition": None, "mem_per_cpu": None, "gpus_per_task": 0, "requeue": "expedite"},
            ["--requeue=expedite"],
        ),
    ],
)  # fmt: skip
def test_each_form_is_asked_for_by_its_own_option(
    options: dict[str, Any], expected: list[str]
) -> None:
    assert asked(**options) == expected


@pytest.mark.parametrize(
    ("options", "named"),
    [
        ({"mem_per_cpu": "8GB", "mem_per_node": "64GB"}, ["mem_per_cpu='8GB'", "mem_per_node=*"]),
        ({"mem_per_node": "64GB", "mem_per_gpu": "32GB"}, ["mem_per_node=*", "mem_per_gpu='32GB'"]),
        ({"mem_per_gpu": "32GB", "gpus_per_task": 0}, ["mem_per_gpu='32GB'", "gpus_per_task"]),
        ({"mem_per_gpu": "32GB", "gpu_request": "none"}, ["mem_per_gpu='32GB'", "gpu_request"]),
        ({"gpu_request": "job", "nodes": 2}, ["gpu_request='job'", "nodes=2"]),
        ({"gpu_type": "a100", "gpu_request": "none"}, ["gpu_type='a100'", "gpu_request='none'"]),
        (
            {"gpu_binding": "task", "gpu_request": "none", "tasks_per_node": 2},
            ["gpu_binding='task'", "gpu_request='none'"],
        ),
        (
            {"extra_args": ["--licenses=a"], "sbatch_options": {"licenses": "b"}},
            ["extra_args", "sbatch_options", "--licenses"],
        ),
    ],
)
def test_what_excludes_each_other_is_refused_with_both_names(
    options: dict[str, Any], named: list[str]
) -> None:
    message = refusal(**options)
    assert all(name.rstrip("*") in message for name in named), message


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"mem": "64G"}, "sbatch_options: '--mem=64G' is not allowed here; set mem_per_node"),
        ({"gpus-per-node": 2}, "set gpus_per_task and gpu_request=node instead"),
        ({"gres": "gpu:1"}, "set gpus_per_task and gpu_request=gres instead"),
        ({"outp": "x"}, "set output_dir instead"),
        ({"array": "0-9"}, "TMGG sets it or relies on its absence"),
        ({"--licenses": "a"}, "sbatch_options holds '--licenses'"),
        ({"L": "a"}, "sbatch_options holds 'L'"),
        ({"licenses\n#SBATCH --wrap": "a"}, "write the long name of an sbatch option"),
        ({"licenses": "a\n#SBATCH --wrap=x"}, "write each option as one item"),
        ({"licenses": False}, "sbatch_options.licenses=False must be text"),
        ({"licenses": ["a"]}, "sbatch_options.licenses=['a'] must be text"),
        ({"nice": 1.5}, "sbatch_options.nice=1.5 must be text"),
        ("--licenses=a", "must be a mapping of names to values"),
    ],
)
def test_options_by_name_that_cannot_be(options: object, words: str) -> None:
    assert words in refusal(sbatch_options=options)


def test_null_leaves_an_option_out_so_that_one_file_can_undo_anothers() -> None:
    options = {"licenses": None, "nice": 100, "contiguous": True}
    found = arguments(sbatch_options=options)
    assert found[-2:] == ["--nice=100", "--contiguous"]
    assert not [item for item in found if "licenses" in item]


@given(
    st.text(st.characters(exclude_characters='"\\', categories=["L", "N", "P", "S"]), min_size=1)
)
def test_sbatch_reads_any_value_back_as_it_was_given(value: str) -> None:
    assert f"--licenses={value}" in arguments(sbatch_options={"licenses": value})


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({"mem_per_node": "10GB"}, {"mem_per_node": "15360MB", "mem_per_cpu": None}),
        ({"mem_per_gpu": "10GB"}, {"mem_per_gpu": "15360MB", "mem_per_cpu": None}),
        ({"mem_per_node": "0"}, {"mem_per_node": "0"}),
        ({"mem_per_cpu": None}, {"mem_per_cpu": None}),
    ],
)
def test_a_retry_gets_more_memory_in_the_same_form(
    options: dict[str, Any], expected: dict[str, str | None]
) -> None:
    config = changed(SlurmConfig(**options), RetryChanges(memory_factor=1.5))
    assert {name: getattr(config, name) for name in expected} == expected


def test_a_config_comes_back_from_its_record() -> None:
    config = SlurmConfig(
        partition=None, mem_per_gpu="32GB", gpu_request="gres", requeue="expedite",
        sbatch_options={"licenses": "matlab", "hold": True},
    )  # fmt: skip
    assert SlurmConfig.from_mapping(config.to_json()) == config


@pytest.mark.parametrize("binding", ["auto", "node"])
def test_ranks_see_all_gpus_where_slurm_counts_none(binding: str) -> None:
    text = script(
        SlurmConfig(tasks_per_node=2, gpus_per_task=2, gpu_request="none", gpu_binding=binding)  # type: ignore[arg-type]
    )
    assert "--gres" not in text
    assert "--gpus-per-task" not in text
