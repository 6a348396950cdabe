"""The job script of a container: `python -m tmgg.experiment_utils.cloud.modal.supervisor`.

Its arguments are the submission's folder, the call's id, the options of the experiment's Python as
a JSON list and, in a cluster, Ray's address.
"""

import json
import sys
from pathlib import Path

from tmgg.experiment_utils.run_folder.paths import submission_paths
from tmgg.experiment_utils.supervisor.claim_run import Start
from tmgg.experiment_utils.supervisor.supervise import supervise


def main(folder: str, call_id: str, options: str, ray_address: str | None = None) -> int:
    environment = {} if ray_address is None else {"TMGG_RAY_ADDRESS": ray_address}
    start = Start(submission_paths(Path(folder)), call_id)
    return supervise(start, lambda: environment, options=json.loads(options))


if __name__ == "__main__":
    raise SystemExit(main(*sys.argv[1:]))
