"""A user at a site whose login node may have no cluster of its own."""

from dataclasses import dataclass

from slurm_cluster import Cluster, NoClusterError
from tests.slurm.login import Login


def last_name(cluster: Cluster) -> str | None:
    """What the cluster called itself when it was last up; it cannot have another name."""
    try:
        return Cluster.find(cluster.options.name).options.cluster_name
    except NoClusterError:
        return None


@dataclass(frozen=True)
class SiteLogin(Login):
    """Where the login node has no cluster of its own, the tests' own questions name it.

    TMGG does not heed the variable: what it asks shows that it names the cluster itself.
    """

    @property
    def environment(self) -> dict[str, str]:
        return super().environment | {"SLURM_CLUSTERS": self.cluster.options.cluster_name}
