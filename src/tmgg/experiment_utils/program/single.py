"""The process of a run that is named by its path and submitted by itself: `tmgg-experiment`.

Plain JSON beside the task, no pickle. Where the working directory is not there, on a cloud's
machine, nothing is done: the experiment then has the process that the backend gives it.
"""

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tmgg.experiment_utils.files.atomic_file import JsonDict
from tmgg.experiment_utils.program.again import announce
from tmgg.experiment_utils.program.captured import Program, capture_program
from tmgg.experiment_utils.program.main_module import load_main, prepare_process

if TYPE_CHECKING:
    from omegaconf import DictConfig


def capture_process(config: "DictConfig", arguments: list[str]) -> JsonDict:
    """This process, for the job of a composed config with its `hydra` node."""
    from omegaconf import OmegaConf  # slow, and imported by those who have a config

    return {
        "program": capture_program().to_json(),
        "arguments": arguments,
        "cwd": str(Path.cwd()),
        "hydra": OmegaConf.to_container(config.hydra, resolve=False, enum_to_str=True),
    }


def become(process: JsonDict, config: JsonDict, output_dir: Path) -> None:
    """Make this process what the one of `capture_process` was; its `HydraConfig` included."""
    if not Path(process["cwd"]).is_dir():
        return
    program = Program.from_json(process["program"])
    prepare_process(program, process["arguments"], process["cwd"])
    load_main(program)
    _set_hydra_config(process["hydra"], config, output_dir)
    announce(str(output_dir), program.script, sys.argv[1:])


def _set_hydra_config(hydra: JsonDict, config: JsonDict, output_dir: Path) -> None:
    from hydra.conf import HydraConf  # slow, and needed by runs of tmgg-experiment only
    from hydra.core.hydra_config import HydraConfig
    from hydra.core.utils import setup_globals
    from omegaconf import DictConfig, OmegaConf, open_dict

    setup_globals()
    node: Any = OmegaConf.structured(HydraConf)
    with open_dict(node):
        node = OmegaConf.merge(node, hydra)
        node.runtime.output_dir = str(output_dir)
        node.mode = "RUN"
        node.job.id = os.environ.get("TMGG_JOB_ID")
    tree = OmegaConf.create(config)
    assert isinstance(tree, DictConfig)
    with open_dict(tree):
        tree.hydra = node
    HydraConfig.instance().set_config(tree)
