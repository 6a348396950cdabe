"""Real Slurm: every test here runs as an ordinary user on the login node of the test cluster."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from slurm_cluster import Cluster
from tests.slurm.login import Login
from tests.slurm.trial import Trial

HERE = Path(__file__).parent


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Whatever is in this folder needs the cluster."""
    for item in items:
        if HERE in Path(str(item.path)).parents:
            item.add_marker(pytest.mark.slurm)


@pytest.fixture
def alice(cluster: Cluster, request: pytest.FixtureRequest) -> Iterator[Login]:
    """A user's shell on the login node, in a new folder of her home; her jobs end with the test."""
    login = Login.new(cluster, user="alice", name=request.node.name)
    yield login
    login.cancel_all()


@pytest.fixture
def trial(alice: Login) -> Trial:
    """Alice's runs in this test."""
    return Trial(alice)


@pytest.fixture
def bob(cluster: Cluster, request: pytest.FixtureRequest) -> Iterator[Login]:
    """Another user, like alice."""
    login = Login.new(cluster, user="bob", name=request.node.name)
    yield login
    login.cancel_all()


@pytest.fixture
def swept_nodes(cluster: Cluster) -> None:
    """Nodes without what jobs of earlier tests left: symmetric-run's dashboard leaves folders."""
    users = ["(", "-user", "alice", "-o", "-user", "bob", ")"]
    sweep = ["find", "/tmp", "/dev/shm", "-mindepth", "1", *users, "-delete"]
    for node in cluster.options.node_names:
        cluster.run(sweep, user="root", machine=node)
