"""Sites' published rules on a real cluster: the launcher file of docs/sites.md works there."""

import json
import os
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from slurm_cluster import Cluster, ClusterOptions
from slurm_cluster.site import Site, site_names
from tests.slurm.login import PROJECT, PYTHON, Login
from tests.slurm.site_login import SiteLogin, last_name

# Minutes on two cores, of which Ray takes the most.
pytestmark = [pytest.mark.long, pytest.mark.ray, pytest.mark.timeout(580)]

TMGG_EXPERIMENT = (str(PYTHON), "-m", "tmgg.cli.experiment", "+stage=stage1_poc")
FEW_STEPS = (
    "trainer.steps=10", "trainer.validate_every=10", "trainer.checkpoint_every=10",
    "data.validation_graphs=8",
)  # fmt: skip
RUN_S = 240
ON_THREE_NODES = ("jean-zay", "leonardo", "lumi")


def options_for(site: str) -> ClusterOptions:
    """The same machines for all sites, whose rules change while they are up."""
    name = os.environ.get("TMGG_TEST_CLUSTER", "test")
    release = os.environ.get("TMGG_TEST_RELEASE")
    return ClusterOptions(name=f"{name[:14]}-sites", release=release, site=site)


@pytest.fixture(scope="module")
def site_clusters(can_run_slurm: None) -> Iterator[None]:
    """Nothing is left of them."""
    yield
    Cluster(options_for(site_names()[0])).down(purge=True)


@pytest.fixture(scope="module", params=site_names())
def site_cluster(request: pytest.FixtureRequest, site_clusters: None) -> Cluster:
    """The cluster has this site's rules."""
    cluster = Cluster(options_for(request.param))
    if last_name(cluster) not in (None, cluster.options.cluster_name):
        cluster.down(purge=True)
    cluster.up(expose=[PROJECT, Path(sys.prefix), Path(sys.base_prefix)])
    return cluster


@pytest.fixture
def site(site_cluster: Cluster) -> Site:
    assert site_cluster.options.rules is not None
    return site_cluster.options.rules


@pytest.fixture
def user(site: Site, site_cluster: Cluster, request: pytest.FixtureRequest) -> Iterator[Login]:
    """Alice, with the site's launcher file as docs/sites.md has it."""
    login = SiteLogin.new(site_cluster, user="alice", name=request.node.name)
    login.write("my_configs/hydra/launcher/my_site.yaml", site.launcher_yaml)
    yield login
    login.cancel_all()


def launch(login: Login, *words: str, check: bool = False) -> tuple[int, str, str]:
    done = login.run(*TMGG_EXPERIMENT, *words, *FEW_STEPS, timeout_s=RUN_S, check=check)
    return done.returncode, done.stdout, done.stderr


def waits_or_ran(login: Login) -> list[str]:
    """The user's jobs here; of one that no node could run Slurm keeps a failed record."""
    return [job for job, state in login.job_states().items() if state != "FAILED"]


def test_the_defaults_are_refused_with_the_sites_words(site: Site, user: Login) -> None:
    code, _, said = launch(
        user, "hydra/launcher=tmgg_slurm", "hydra.launcher.slurm_nodes=1",
        "hydra.launcher.slurm_submit_timeout_s=5",
    )  # fmt: skip
    assert code == 2, said
    assert site.defaults in said
    assert waits_or_ran(user) == []


def test_what_the_rules_say_is_refused_is_refused(site: Site, user: Login) -> None:
    own = ("--config-dir", "my_configs", "hydra/launcher=my_site")
    for refusal in site.refused:
        change = [f"++hydra.launcher.{setting}" for setting in refusal.change]
        code, _, said = launch(user, *own, *change)
        assert code == 2, (refusal, said)
        assert refusal.words in said, refusal
    assert waits_or_ran(user) == []


@pytest.mark.parametrize("nodes", [1, 3])
def test_the_launcher_file_of_the_page_brings_the_metrics(
    site: Site, user: Login, nodes: int
) -> None:
    if nodes > 1 and site.name not in ON_THREE_NODES:
        pytest.skip("on one node only, for time's sake")
    code, printed, said = launch(
        user, "--config-dir", "my_configs", "hydra/launcher=my_site",
        f"hydra.launcher.slurm_nodes={nodes}",
    )  # fmt: skip
    assert code == 0, said
    assert "gap_closed" in printed
    (result,) = user.host_folder.glob("slurm_outputs/*/1/result.json")
    assert len(json.loads(result.read_text())["ray_nodes"]) == nodes
