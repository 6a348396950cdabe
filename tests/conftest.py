"""Fixtures for all tests. The real Slurm is started once per session and only when asked for."""

import os
import re
import shutil
import signal
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, settings

from slurm_cluster import Cluster, ClusterOptions
from slurm_cluster.packages import missing_packages, unusable_reason

# A shell's background job ignores Ctrl-C, and so would all that the tests start.
signal.signal(signal.SIGINT, signal.default_int_handler)

# The machine may be busy with a cluster; how long one example takes says nothing then.
settings.register_profile("tmgg", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("tmgg")

# Large enough, on paper, for every request that the documentation shows; so should a site's be.
_SITE = os.environ.get("TMGG_TEST_SITE")
_SIZES: dict[str, Any] = (
    {"nodes": 4, "cpus": 16, "memory_mb": 256_000, "gpus": 4} if _SITE is None else {}
)
_TEST_CLUSTER = ClusterOptions(
    name=os.environ.get("TMGG_TEST_CLUSTER", "test"),
    **_SIZES,
    site=_SITE,
    release=os.environ.get("TMGG_TEST_RELEASE"),
    shared_folder=os.environ.get("TMGG_TEST_SHARED_FOLDER", "local"),
)


@pytest.fixture(scope="session")
def can_run_slurm() -> None:
    """Skip where no cluster can run, and say why; in CI that is a failure."""
    reason = unusable_reason()
    is_network = _TEST_CLUSTER.shared_folder == "network"
    missing = missing_packages(_TEST_CLUSTER.release, network_folder=is_network)
    if reason is None and missing:
        option = f" --release {_TEST_CLUSTER.release}" if _TEST_CLUSTER.release else ""
        reason = (
            f"Debian packages {', '.join(missing)} are missing; "
            f"`python3 -m slurm_cluster install{option}` installs them"
        )
    if reason is None:
        return
    if os.environ.get("CI") == "true":
        pytest.fail(f"the real Slurm must be tested in CI: {reason}")
    pytest.skip(reason)


@pytest.fixture(scope="session")
def cluster(can_run_slurm: None, pytestconfig: pytest.Config) -> Iterator[Cluster]:
    """The shared test cluster, which sees this project and this Python at their own paths.

    It is left up when it was up before or when TMGG_KEEP_CLUSTER=1; TMGG_TEST_CLUSTER names
    another one. A test that breaks it must mend it again.
    """
    shared = Cluster(_TEST_CLUSTER)
    was_up = shared.status().is_up
    shared.up(expose=[pytestconfig.rootpath, Path(sys.prefix), Path(sys.base_prefix)])
    shared.cancel_all_jobs()
    yield shared
    if not was_up and os.environ.get("TMGG_KEEP_CLUSTER") != "1":
        shared.down()


@pytest.fixture
def job_folder(cluster: Cluster, request: pytest.FixtureRequest) -> Iterator[Path]:
    """An empty folder of alice's that all machines see, as a path of the host.

    `cluster.inside(job_folder)` is its name in the machines.
    """
    folder = cluster.make_folder(user="alice", prefix=re.sub(r"\W+", "-", request.node.name))
    yield folder
    # A job of a failed test may still be writing into it.
    shutil.rmtree(folder, ignore_errors=True)
