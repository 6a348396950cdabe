"""Runs a batch from its folder: makes the driver, and writes the exit code for the job script.

The allocation's Ray is up, at TMGG_RAY_ADDRESS. The managed bootstrap calls `main` in a process
that imported Ray while Ray was starting.
"""

import argparse
import contextlib
import json
import logging
import os
import signal
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from tmgg.errors import TaskError
from tmgg.experiment_utils.files.atomic_file import JsonDict, write_atomic
from tmgg.experiment_utils.files.leaving import leave
from tmgg.experiment_utils.files.looking import is_there
from tmgg.experiment_utils.identity.programs import OWN_APP
from tmgg.experiment_utils.job.job_exit_codes import SUPERSEDED
from tmgg.experiment_utils.packed.allocation import is_shared_with_runs, read_allocation
from tmgg.experiment_utils.packed.driver import Driver
from tmgg.experiment_utils.packed.fork_server_client import Warmth
from tmgg.experiment_utils.packed.nodes import RayNodes
from tmgg.experiment_utils.run_folder.batches import runs_of_batch
from tmgg.experiment_utils.run_folder.paths import BatchPaths
from tmgg.experiment_utils.run_folder.phases import parse_phases, write_phase
from tmgg.experiment_utils.run_folder.starts import is_superseded, own_restart
from tmgg.experiment_utils.run_folder.task import module_of, target_of

# Most runs of a sweep have the same target, so a file of a million tasks is not read completely.
_TASKS_LOOKED_AT = 1000


def main(arguments: Sequence[str]) -> int:
    """Run the batch; returns 0 if every run has ended, successfully or not."""
    options = parse_arguments(arguments)
    logging.basicConfig(level=logging.WARNING, format="tmgg: %(message)s", stream=sys.stderr)
    batch = BatchPaths(options.folder.parent.parent, options.folder.name)
    write_phase(batch, "entrypoint_start")
    code = _drive(batch, options)
    if is_superseded(batch, own_restart()):
        return SUPERSEDED  # the later start writes the exit code, or has written it
    words = f"{code}\n".encode()
    leave(lambda: write_atomic(batch.entrypoint_exit_code, words), batch.folder)
    write_phase(batch, "entrypoint_end")
    return code


def parse_arguments(arguments: Sequence[str]) -> argparse.Namespace:
    """The batch's folder and the options that the job script gives."""
    return _parser().parse_args(arguments)


def _drive(batch: BatchPaths, options: argparse.Namespace) -> int:
    import ray  # imported here: it takes over a second

    names = [name for name in os.environ if is_shared_with_runs(name)]
    ray.init(address=os.environ["TMGG_RAY_ADDRESS"], logging_level="WARNING", log_to_driver=True)
    warmth = Warmth(
        folder=str(Path.cwd()),
        output_dir=str(batch.output_dir),
        preload=tuple(preloads(batch.tasks)),
        python_options=tuple(options.python_option),
    )
    nodes = RayNodes(runs_per_node=options.runs_per_node, names=names, warmth=warmth)
    runs = {paths.run_paths.run_id: paths for paths in runs_of_batch(batch)}
    allocation = read_allocation(os.environ, began_at=_began_at(batch), limit_s=options.limit)
    driver = Driver(
        runs, nodes, allocation, is_superseded=lambda: is_superseded(batch, allocation.restart)
    )
    # After ray.init, which sets its own handler.
    signal.signal(signal.SIGTERM, lambda _number, _frame: driver.terminate())
    return driver.run()


def _began_at(batch: BatchPaths) -> float:
    """When this start of the job began (Unix time), from the mark of the job script."""
    marks = parse_phases(batch.phases.read_text()) if is_there(batch.phases) else []
    return next((mark.at for mark in marks if mark.name == "batch_start"), time.time())


def preloads(tasks: Path) -> list[str]:
    """The modules of the runs' targets, each once."""
    found: dict[str, None] = {}
    with tasks.open() as stream:
        for _, line in zip(range(_TASKS_LOOKED_AT), stream, strict=False):
            found.update(dict.fromkeys(_modules_of(json.loads(line))))
    return list(found)


def _modules_of(task: JsonDict) -> list[str]:
    modules = [module_of(task["target"])]
    # The target of a Hydra app's job is a callable of TMGG. Which experiment it then runs is in the
    # config if the app is TMGG's own. In other apps this key may mean something else.
    if _is_own_app(task) and "experiment" in task["config"]:
        with contextlib.suppress(TaskError):
            modules.append(module_of(target_of(task["config"])))
    return modules


def _is_own_app(task: JsonDict) -> bool:
    identity = task.get("identity")  # None if an older TMGG recorded the task
    return identity is None or str(identity["program"]).startswith(OWN_APP)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="tmgg.experiment_utils.packed", description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--runs-per-node", type=int)
    parser.add_argument("--limit", type=float, metavar="SECONDS")
    parser.add_argument("--python-option", action="append", default=[], metavar="OPTION")
    return parser
