"""Which option a refusal is about, and what it is set to."""

import pytest

from tests.fakes.slurm.fake import FakeSlurm
from tmgg.experiment_utils.cloud.slurm.client import SlurmClient
from tmgg.experiment_utils.cloud.slurm.config import SlurmConfig
from tmgg.experiment_utils.cloud.slurm.refusal_advice import names_that_exist, render_options


@pytest.mark.parametrize(
    ("words", "told"),
    [
        ("Invalid account or account/partition combination", "slurm_account not set."),
        ("Invalid qos specification", "slurm_qos is fast."),
        ("Invalid feature specification", "slurm_constraint is v100."),
        ("Invalid node name specified", "slurm_exclude is n9."),
        ("More processors requested than permitted", "slurm_nodes is 4, slurm_cpus_per_task is 8."),
        ("words of a site", ""),
    ],
)
def test_the_options_that_the_words_are_about_are_told_as_they_are_set(
    words: str, told: str
) -> None:
    config = SlurmConfig(qos="fast", constraint="v100", exclude="n9")
    assert render_options(words, config) == told


def test_the_names_that_exist_are_told(slurm: FakeSlurm) -> None:
    client = SlurmClient()
    assert names_that_exist(client, "Invalid account or ...") == "Your accounts: research."
    assert names_that_exist(client, "Invalid partition name") == "Partitions here: batch, gpu."
    slurm.break_command("sacctmgr", exit_code=1, stderr="sacctmgr: error: Connection refused")
    assert names_that_exist(client, "Invalid account or ...") == ""


@pytest.mark.parametrize(
    ("gpus", "listed"),
    [
        (("gpu:v100:4", "gpu:a100:2(S:0-1),mps:400"), "GPUs here: a100, v100."),
        (("gpu:v100:4", "gpu:2"), "GPUs here: v100, some without a model."),
        (("(null)", "(null)"), "GPUs here: none."),
    ],
)
def test_a_wrong_model_is_answered_with_the_gpus_that_the_nodes_have(
    slurm: FakeSlurm, gpus: tuple[str, str], listed: str
) -> None:
    slurm.configure(nodes=[f"n{number}|8|64000|{gres}|idle|x" for number, gres in enumerate(gpus)])
    assert names_that_exist(SlurmClient(), "Invalid generic resource (gres)") == listed


def test_a_wrong_feature_is_answered_with_those_of_the_nodes_the_most_common_first(
    slurm: FakeSlurm,
) -> None:
    slurm.configure(nodes=["n1|8|64000|(null)|idle|ib,skylake", "n2|8|64000|(null)|idle|ib"])
    listed = "Features of the nodes here: ib, skylake."
    assert names_that_exist(SlurmClient(), "Invalid feature specification") == listed
    slurm.configure(nodes=["n1|8|64000|(null)|idle|(null)"])
    assert names_that_exist(SlurmClient(), "Invalid feature specification") == ""
