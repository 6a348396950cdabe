"""The process of a single run of `tmgg-experiment`: made in the job like the submitting one.

It is described in plain JSON in the task, not in a pickle. If the working directory does not exist,
as on a cloud's machine, nothing is done, and the experiment runs in the backend's process as it is.
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
    """Describe this process for a job; `config` is the composed config with its `hydra` node."""
    from omegaconf import OmegaConf  # slow, but callers with a config have imported it already

    return {
        "program": capture_program().to_json(),
        "arguments": arguments,
        "cwd": str(Path.cwd()),
        "hydra": OmegaConf.to_container(config.hydra, resolve=False, enum_to_str=True),
    }


def become(process: JsonDict, config: JsonDict, output_dir: Path) -> None:
    """Make this process like the one of `capture_process`, including its `HydraConfig`."""
    if not Path(process["cwd"]).is_dir():
        return
    program = Program.from_json(process["program"])
    prepare_process(program, process["arguments"], process["cwd"])
    load_main(program)
    _set_hydra_config(process["hydra"], config, output_dir)
    announce(str(output_dir), program.script, sys.argv[1:])


def _set_hydra_config(hydra: JsonDict, config: JsonDict, output_dir: Path) -> None:
    from hydra.conf import HydraConf  # slow, and only for runs of tmgg-experiment
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
