"""What is asked of the site, and what no answer means."""

from pathlib import Path

import pytest

from tests.fakes.slurm.fake import FakeSlurm
from tests.jobs import site_answers
from tmgg.errors import QueryError
from tmgg.experiment_utils.cloud.slurm.client import SlurmClient
from tmgg.experiment_utils.cloud.slurm.setup.facts import Facts, gather
from tmgg.experiment_utils.cloud.slurm.site.site_queries import SiteQueries

OF_OTHERS = site_answers.ASSOCIATIONS + "far|physics|alice||1|||||||||||||normal||\n"


def gathered() -> Facts:
    return gather(SiteQueries(SlurmClient()))


def test_a_site_is_asked_eight_questions(slurm: FakeSlurm, folder: Path) -> None:
    slurm.configure(accounts=["a", "b"], other_clusters=["far"])
    found = gathered()
    assert (found.cluster, found.clusters) == ("fake", ["fake", "far"])
    assert (found.accounts, found.default_account) == (["a", "b"], "a")
    assert set(found.nodes) == {"gpu", "batch"}
    assert found.unanswered == {}
    assert len(slurm.calls()) == 8


def test_accounts_of_another_cluster_do_not_count(slurm: FakeSlurm, folder: Path) -> None:
    slurm.configure(cluster="tmgg")
    slurm.break_command("sacctmgr", stdout=OF_OTHERS)
    assert gathered().accounts == ["research"]


def test_a_qos_goes_with_account_and_partition(slurm: FakeSlurm, folder: Path) -> None:
    slurm.configure(
        cluster="tmgg",
        partition_settings={"batch": {"AllowQos": "tiny"}, "gpu": {"AllowQos": "ALL"}},
    )
    slurm.break_command("sacctmgr", stdout=site_answers.ASSOCIATIONS)
    found = gathered()
    assert found.qos_of("research", None) == ["normal", "tiny"]
    assert found.qos_of("research", "batch") == ["tiny"]
    assert found.qos_of(None, "gpu") == ["normal", "tiny"]
    assert found.qos_of("other", None) == []


@pytest.mark.parametrize("accounting", ["absent", "down"])
def test_without_accounts_the_rest_is_known(
    slurm: FakeSlurm, folder: Path, accounting: str
) -> None:
    slurm.configure(accounting="absent")
    if accounting == "down":
        slurm.break_command("sacctmgr", times=None, exit_code=1, stderr="Connection refused")
    found = gathered()
    assert found.has_accounts is (accounting == "down")
    assert found.accounts == []
    assert ("Connection refused" in str(found.unanswered)) is (accounting == "down")
    assert len(slurm.calls("sacctmgr")) == 1
    assert [row["PartitionName"] for row in found.partitions] == ["gpu", "batch"]


def test_nodes_that_are_not_reported_are_no_reason_to_stop(slurm: FakeSlurm, folder: Path) -> None:
    slurm.break_command("sinfo", exit_code=1, stderr="slurm_load_node error")
    found = gathered()
    assert found.nodes == {}
    assert "slurm_load_node" in found.unanswered["nodes"]


def test_a_controller_that_does_not_answer_is_an_error(slurm: FakeSlurm, folder: Path) -> None:
    slurm.configure(controller="down")
    with pytest.raises(QueryError, match="Unable to contact"):
        gathered()
