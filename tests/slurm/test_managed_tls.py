"""docs/security.md: Ray encrypted between the nodes, by the page's own script."""

import re
import ssl
from pathlib import Path

import pytest

from slurm_cluster import Cluster
from tests.slurm.login import PYTHON, Login
from tests.slurm.managed_jobs import ManagedJob

# Minutes in all on two cores.
pytestmark = pytest.mark.long

PAGE = (Path(__file__).parents[2] / "docs" / "security.md").read_text()
# Whoever connects is shown the server's certificate before he must show his own.
_SHOWN = "import ssl, sys; print(ssl.get_server_certificate((sys.argv[1], int(sys.argv[2]))))"


def test_ray_is_encrypted_as_the_page_says(alice: Login, cluster: Cluster) -> None:
    (script,) = re.findall(r"```bash\n(.*?)```", PAGE, re.DOTALL)
    (setup,) = re.findall(r'slurm_setup_commands:\n  - "(.*)"\n', PAGE)
    assert setup == "source ray-tls.sh"
    alice.write("ray-tls.sh", script)
    job = ManagedJob.submit(
        alice, "tls", nodes=2, nodelist="node[1-2]", setup_commands=[setup],
    )  # fmt: skip
    view = job.started()
    assert sorted(task["node"] for task in view["tasks"]) == ["node1", "node2"]
    host, _, port = view["gcs"].partition(":")
    done = cluster.run([str(PYTHON), "-c", _SHOWN, host, port], user="bob", machine="node3")
    certificate = cluster.home("alice") / ".ray-tls" / job.job_id / "cert.pem"
    shown, own = (
        ssl.PEM_cert_to_DER_cert(text.strip()) for text in (done.stdout, certificate.read_text())
    )
    assert shown == own
    assert (certificate.with_name("key.pem").stat().st_mode & 0o777) == 0o600
    job.release()
    assert job.result()["status"] == "completed", job.log()
