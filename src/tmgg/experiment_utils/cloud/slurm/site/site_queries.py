"""Questions to Slurm about the site, not about jobs."""

import os
import re
from pathlib import Path

from tmgg.errors import SubmissionError
from tmgg.experiment_utils.cloud.slurm.client import SlurmClient
from tmgg.experiment_utils.cloud.slurm.planning.fair_share import SHARE_FORMAT
from tmgg.experiment_utils.cloud.slurm.site import site
from tmgg.experiment_utils.cloud.slurm.site.site import Node, Settings
from tmgg.experiment_utils.files.accounts import user_name

_VERSION = re.compile(r"^slurm\S* \d+\.\d\S*$", re.MULTILINE)


class SiteQueries:
    """Each method raises QueryError without an answer, AccountingAbsentError without accounting."""

    def __init__(self, client: SlurmClient) -> None:
        self._client = client

    def version(self) -> str:
        """The version of the commands, as in `slurm-wlm 22.05.8`."""
        said = self._client.ask_checked("sbatch", "--version")
        found = _VERSION.findall(said)  # a site's wrapper may print more
        return found[-1] if found else " ".join(said.split())

    def ping(self) -> str:
        """What the controller says about itself."""
        return self._client.ask_checked("scontrol", "ping").strip()

    def settings(self) -> Settings:
        """The controller's configuration."""
        return site.parse_config(self._client.configuration())

    def partitions(self, *, hidden: bool = False) -> list[Settings]:
        """All partitions with their settings; with `hidden`, also those that Slurm hides."""
        which = ("--all",) if hidden else ()
        answer = self._client.ask_checked("scontrol", *which, "--oneliner", "show", "partition")
        return site.parse_records(answer)

    def nodes_of(self, partition: str | None) -> list[Node]:
        """The nodes of a partition; of all partitions if it is None."""
        # Both options include hidden partitions.
        which = "--all" if partition is None else f"--partition={partition}"
        selection = ("--noheader", "--Node", which)
        answer = self._client.ask_checked("sinfo", *selection, f"--format={site.NODE_FORMAT}")
        return site.parse_nodes(answer)

    def nodes_by_partition(self, *, hidden: bool = False) -> dict[str, list[Node]]:
        """All nodes, by the partitions they are in; `hidden` is as in `partitions`."""
        which = ("--all",) if hidden else ()
        layout = f"--format={site.PARTITION_NODE_FORMAT}"
        answer = self._client.ask_checked("sinfo", *which, "--noheader", "--Node", layout)
        return site.parse_nodes_by_partition(answer)

    def shares(self) -> list[Settings]:
        """This user's shares of the cluster, by account, in `fair_share.SHARE_FORMAT`."""
        argv = ("sshare", "--parsable2", "-U", f"--format={SHARE_FORMAT}")
        return site.parse_table(self._client.ask_checked(*argv))

    def associations(self) -> list[Settings]:
        """This user's accounts with their limits."""
        argv = ("sacctmgr", "--parsable2", "show", "assoc", f"user={user_name(os.getuid())}")
        return site.parse_table(self._client.ask_checked(*argv))

    def default_account(self, user: str) -> str:
        """The account of a job that names none; empty if the user has no default account."""
        argv = ("sacctmgr", "--parsable2", "show", "user", user, "format=DefaultAccount")
        rows = self._client.ask_checked(*argv).splitlines()
        return rows[1].strip() if len(rows) > 1 else ""

    def clusters(self) -> list[str]:
        """The clusters in the accounting database."""
        argv = ("sacctmgr", "--parsable2", "show", "clusters", "format=Cluster")
        return self._client.ask_checked(*argv).split()[1:]

    def qualities(self) -> list[Settings]:
        """All qualities of service with their limits."""
        answer = self._client.ask_checked("sacctmgr", "--parsable2", "show", "qos")
        return site.parse_table(answer)

    def try_submit(self, script: Path, *, cwd: Path, timeout_s: float | None = None) -> str:
        """Let Slurm check a job script without submitting it. Returns what sbatch printed.

        That says when and where the job would start. Raises SubmissionError if Slurm would refuse
        the job.
        """
        answer = self._client.ask(
            "sbatch", "--test-only", str(script), cwd=cwd, timeout_s=timeout_s
        )
        if answer.exit_code != 0:
            raise SubmissionError(answer.text)
        return answer.text
