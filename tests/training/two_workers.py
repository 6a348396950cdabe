"""One of two workers of a training: `python -m tests.training.two_workers FOLDER RANK PORT CALL`.

Worker 1 alone is asked to stop, at its call number CALL; 0 is never. Worker 0 prints what it came
to and its journal.
"""

import json
import os
import sys
from pathlib import Path

from lightning_fabric.plugins.environments import (  # type: ignore[attr-defined]
    TorchElasticEnvironment,
)
from pytorch_lightning.strategies import DDPStrategy

from tests.training.journal import Attempt
from tests.training.signalled import AskedAfter
from tests.training.workers import variables_of
from tmgg.errors import StoppedEarlyError
from tmgg.training.hooks import Hooks


def main(folder: str, rank: str, port: str, call: str) -> None:
    os.environ |= variables_of(int(rank), 2, int(port))
    os.environ |= {"GROUP_RANK": "0", "TORCHELASTIC_RUN_ID": "one"}
    hooks = Hooks(stop=AskedAfter(int(call))) if rank == "1" and int(call) else Hooks()
    attempt = Attempt(Path(folder))
    try:
        attempt.train(
            hooks=hooks,
            max_epochs=5,
            batches=6,
            devices=2,
            strategy=DDPStrategy(process_group_backend="gloo"),
            plugins=[TorchElasticEnvironment()],
        )
    except StoppedEarlyError as stopped:
        attempt.metrics = {str(stopped): 0.0}
    if rank == "0":
        sys.stdout.write(json.dumps([attempt.came_to, attempt.journal.entries]))


if __name__ == "__main__":
    main(*sys.argv[1:])
