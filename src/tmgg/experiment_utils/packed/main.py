"""From the batch's folder to a driver at work, and the exit code for the job script.

The allocation's Ray is up and named by TMGG_RAY_ADDRESS. The managed bootstrap calls `main` in a
process that has imported Ray while Ray was starting.
"""

import argparse
import json
import logging
import os
import signal
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from tmgg.experiment_utils.atomic_file import write_atomic
from tmgg.experiment_utils.batches import runs_of_batch
from tmgg.experiment_utils.packed.allocation import is_shared_with_runs, read_allocation
from tmgg.experiment_utils.packed.driver import Driver
from tmgg.experiment_utils.packed.nodes import RayNodes
from tmgg.experiment_utils.packed.warm_parent import Warmth
from tmgg.experiment_utils.paths import BatchPaths
from tmgg.experiment_utils.phases import parse_phases, write_phase

# The runs of a sweep mostly share one target; a file of a million lines is not read for it.
_TASKS_LOOKED_AT = 1000


def main(arguments: Sequence[str]) -> int:
    """Run the batch; 0 when every run was seen to its end, however that was."""
    options = _parser().parse_args(arguments)
    logging.basicConfig(level=logging.WARNING, format="tmgg: %(message)s", stream=sys.stderr)
    batch = BatchPaths(options.folder.parent.parent, options.folder.name)
    write_phase(batch, "entrypoint_start")
    code = _drive(batch, options)
    write_atomic(batch.entrypoint_exit_code, f"{code}\n".encode())
    write_phase(batch, "entrypoint_end")
    return code


def _drive(batch: BatchPaths, options: argparse.Namespace) -> int:
    import ray  # over a second

    names = [name for name in os.environ if is_shared_with_runs(name)]
    ray.init(address=os.environ["TMGG_RAY_ADDRESS"], logging_level="WARNING", log_to_driver=True)
    warmth = Warmth(
        folder=str(Path.cwd()),
        output_dir=str(batch.output_dir),
        preload=tuple(preloads(batch.tasks)),
    )
    nodes = RayNodes(runs_per_node=options.runs_per_node, names=names, warmth=warmth)
    runs = {paths.run_paths.run_id: paths for paths in runs_of_batch(batch)}
    allocation = read_allocation(os.environ, began_at=_began_at(batch), limit_s=options.limit)
    driver = Driver(runs, nodes, allocation)
    # After ray.init, which sets a handler of its own.
    signal.signal(signal.SIGTERM, lambda _number, _frame: driver.terminate())
    return driver.run()


def _began_at(batch: BatchPaths) -> float:
    """When this start of the job began, as its script noted."""
    marks = parse_phases(batch.phases.read_text()) if batch.phases.exists() else []
    return next((mark.at for mark in marks if mark.name == "batch_start"), time.time())


def preloads(tasks: Path) -> list[str]:
    """The modules of the runs' targets, each once.

    A Hydra app's task names what opens it; its config may name the experiment.
    """
    found: dict[str, None] = {}
    with tasks.open() as stream:
        for _, line in zip(range(_TASKS_LOOKED_AT), stream, strict=False):
            task = json.loads(line)
            experiment = task.get("config", {}).get("experiment")
            named = experiment.get("_target_") if isinstance(experiment, dict) else None
            for target in (task.get("target"), named):
                found[_module_of(str(target or ""))] = None
    return [module for module in found if module]


def _module_of(target: str) -> str:
    return target.partition(":")[0] if ":" in target else target.rpartition(".")[0]


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="tmgg.experiment_utils.packed", description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--runs-per-node", type=int)
    parser.add_argument("--limit", type=float, metavar="SECONDS")
    return parser
