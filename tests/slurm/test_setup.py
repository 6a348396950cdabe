"""`tmgg-jobs setup`, `plan` and `slurm_partition=auto` on real clusters, with sites' own rules."""

import json
import os
import re
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from slurm_cluster import Cluster, ClusterOptions
from slurm_cluster.site import site_names
from tests.slurm.login import PROJECT, PYTHON, Login
from tests.slurm.site_login import SiteLogin, last_name

TMGG_JOBS = (str(PYTHON), "-m", "tmgg.cli.jobs")
SPEC_COMMAND = (str(PYTHON), "-m", "tmgg.cli.experiment", "+stage=stage1_poc")
FEW_STEPS = (
    "trainer.steps=10", "trainer.validate_every=10", "trainer.checkpoint_every=10",
    "data.validation_graphs=8",
)  # fmt: skip
PAGE = PROJECT / "docs" / "first-job.md"
OF_PAGE = "perlmutter"
RUN_S = 240
SMALL = ("slurm_nodes=1", "slurm_cpus_per_task=1", "slurm_mem_per_cpu=100MB")


def test_a_plan_names_a_start_in_each_partition(alice: Login) -> None:
    found = json.loads(alice.run(*TMGG_JOBS, "plan", *SMALL, "--runs", "3", "--json").stdout)
    starts = {each["partition"]: each["start"] for each in found["choices"]}
    assert set(starts) == {"gpu", "batch", "ml-gpu", "scavenge"}
    assert all(starts.values())
    assert found["earliest"]["partition"] == "gpu"
    assert found["earliest"]["node_hours"] == 24
    assert [share["account"] for share in found["fair_shares"]] in ([], ["research"])
    assert alice.job_states() == {}


@pytest.mark.parametrize("what", ["partition", "time"])
def test_a_wrong_request_has_no_start_anywhere(alice: Login, what: str) -> None:
    wrong = {"partition": "slurm_constraint=nope", "time": "slurm_time_limit=30-00:00:00"}[what]
    done = alice.run(*TMGG_JOBS, "plan", *SMALL, wrong, check=False)
    assert done.returncode == 1
    assert "would start in none" in done.stdout


def test_the_automatic_partition_is_on_record(alice: Login) -> None:
    made = alice.python(
        "import json; from tmgg.experiment_utils.cloud import SlurmConfig, SlurmRunner\n"
        "config = SlurmConfig(partition='auto', nodes=1, cpus_per_task=1, gpus_per_task=0,"
        " mem_per_cpu='100MB')\n"
        "print(json.dumps(SlurmRunner(config).runs.traits.settings['partition']))"
    )
    assert made == "gpu"


def test_setup_writes_a_launcher_that_this_cluster_takes(alice: Login) -> None:
    done = json.loads(alice.run(*TMGG_JOBS, "setup", "--json").stdout)
    assert done["is_taken"]
    assert done["questions"] <= 11
    values = {line["key"]: line["value"] for line in done["lines"] if line["known"]}
    assert values["slurm_partition"] == "gpu"
    assert (values["slurm_nodes"], values["slurm_gpus_per_task"]) == (1, 1)
    assert alice.job_states() == {}
    shown = alice.run(*SPEC_COMMAND, "hydra/launcher=my_site", "--dry-run").stdout
    assert f"#SBATCH --cpus-per-task={values['slurm_cpus_per_task']}\n" in shown


@pytest.fixture(scope="module")
def site_clusters(can_run_slurm: None) -> Iterator[None]:
    """Nothing is left of them."""
    yield
    Cluster(options_for(site_names()[0])).down(purge=True)


def options_for(site: str) -> ClusterOptions:
    """The same machines for all sites, whose rules change while they are up."""
    name = os.environ.get("TMGG_TEST_CLUSTER", "test")
    release = os.environ.get("TMGG_TEST_RELEASE")
    return ClusterOptions(name=f"{name[:14]}-setup", release=release, site=site)


@pytest.fixture(params=site_names())
def at_site(request: pytest.FixtureRequest, site_clusters: None) -> Iterator[tuple[str, Login]]:
    """Alice at a site with rules, which knows nothing of them."""
    cluster = Cluster(options_for(request.param))
    if last_name(cluster) not in (None, cluster.options.cluster_name):
        cluster.down(purge=True)
    cluster.up(expose=[PROJECT, Path(sys.prefix), Path(sys.base_prefix)])
    login = SiteLogin.new(cluster, user="alice", name=request.node.name)
    yield request.param, login
    login.cancel_all()


# Minutes on two cores, of which Ray takes the most.
@pytest.mark.long
@pytest.mark.ray
@pytest.mark.timeout(580)
def test_setup_meets_a_sites_rules_and_the_first_job_runs(at_site: tuple[str, Login]) -> None:
    site, login = at_site
    # Where a login has no cluster of its own, its users know one.
    known = ("slurm_clusters=cm4",) if site == "lrz" else ()
    done = login.run(*TMGG_JOBS, "setup", *known, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert login.job_states() == {}
    if site == OF_PAGE:
        assert told(done.stdout) in told(PAGE.read_text())
    ran = login.run(*SPEC_COMMAND, "hydra/launcher=my_site", *FEW_STEPS, timeout_s=RUN_S)
    assert "gap_closed" in ran.stdout
    assert len(login.job_states()) == 1


def told(text: str) -> str:
    """Without what differs each time: times, folders, the release and the day."""
    text = re.sub(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d", "TIME", text)
    text = re.sub(r"/\S*/hydra/launcher", "FOLDER", text)
    return re.sub(r"slurm(-wlm)? \d+\.\d+\.\d+", "RELEASE", text)
