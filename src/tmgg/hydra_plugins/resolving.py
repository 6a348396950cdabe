"""Resolve a job's config before the job runs, as it would resolve inside it."""

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any, cast

from hydra.conf import HydraConf
from hydra.core.hydra_config import HydraConfig
from omegaconf import DictConfig, OmegaConf, open_dict, read_write

from tmgg.experiment_utils.task import escape_interpolation


@contextlib.contextmanager
def as_in_job(config: DictConfig, *dir_keys: str) -> Iterator[None]:
    """Inside, `${hydra:...}` in `config` resolves; its output folder is that of `dir_keys`, joined.

    `config` has its `hydra` node, which learns the output folder. Nothing is written.
    """
    before = HydraConfig.instance().cfg
    # Not `set_config`, which copies the hydra node, so that tasks cannot change it: milliseconds
    # for each of a thousand jobs.
    HydraConfig.instance().cfg = cast(HydraConf, config)
    try:
        folder = Path(*(str(OmegaConf.select(config, key)) for key in dir_keys))
        with read_write(config.hydra.runtime), open_dict(config.hydra.runtime):
            config.hydra.runtime.output_dir = str(folder.absolute())
        yield
    finally:
        HydraConfig.instance().cfg = before


def config_for_record(config: DictConfig) -> dict[str, Any]:
    """A foreign app's config for its record, as JSON; what cannot be resolved stays as written.

    People read it; the job gets the config itself.
    """
    return {str(key): _plain(config, key) for key in config if key != "hydra"}


def _plain(node: Any, key: Any) -> Any:
    if OmegaConf.is_missing(node, key):
        return "<missing>"
    try:
        value = node[key]
    except Exception:
        # A resolver is anybody's code and may need the compute node to work.
        return escape_interpolation(str(node._get_node(key)._value()))
    if OmegaConf.is_dict(value):
        return {str(inner): _plain(value, inner) for inner in value}
    if OmegaConf.is_list(value):
        return [_plain(value, index) for index in range(len(value))]
    if value is None or isinstance(value, bool | int | float):
        return value
    return escape_interpolation(str(value))
