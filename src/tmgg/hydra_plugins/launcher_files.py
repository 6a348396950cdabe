"""The launcher files in `exp_configs`, rendered from the classes that define the options.

`python -m tmgg.hydra_plugins.launcher_files` writes them again; a test compares them.
"""

import re
import textwrap
from importlib.resources import files
from pathlib import Path
from typing import Any

import yaml

from tmgg.experiment_utils.cloud.factory import CONFIG_CLASSES
from tmgg.experiment_utils.cloud.field_meanings import field_meanings
from tmgg.hydra_plugins.launcher_options import (
    LauncherOptions,
    config_class,
    launcher_table,
    option_names,
)

WIDTH = 100
# In each file, the options that the specification lists come first, up to this one.
_LAST_OF_FIRST = "slurm_setup_commands"
_HEADER = """# @package hydra.launcher
# The defaults of `hydra/launcher=tmgg_{backend}`, made from the code that defines them by
# python -m tmgg.hydra_plugins.launcher_files
"""


def launcher_file(backend: str) -> Path:
    return Path(str(files("tmgg.exp_configs"))) / "hydra" / "launcher" / f"tmgg_{backend}.yaml"


def render_launcher(backend: str) -> str:
    """The whole file."""
    meanings = _meanings(backend)
    entries = [_render(key, value, meanings) for key, value in _in_order(backend)]
    return _HEADER.format(backend=backend) + "".join(entries)


def _in_order(backend: str) -> list[tuple[str, Any]]:
    table = list(launcher_table(backend).items())
    keys = [key for key, _value in table]
    if _LAST_OF_FIRST not in keys:
        return table
    own = keys.index("slurm_partition")
    general, specified = table[2:own], table[own : keys.index(_LAST_OF_FIRST) + 1]
    timeout = [entry for entry in general if entry[0] == "timeout_seconds"]
    first = [*table[:2], *specified, *timeout]
    return [*first, *(entry for entry in table if entry not in first)]


def _meanings(backend: str) -> dict[str, str]:
    """The meaning of each launcher key, with the launcher's names for options."""
    names = option_names(backend)
    own = field_meanings(config_class(backend))
    keys = {name: key for key, name in names.items()}
    return field_meanings(LauncherOptions) | {
        key: _in_yaml_words(own[name], keys) for key, name in names.items()
    }


def _in_yaml_words(meaning: str, keys: dict[str, str]) -> str:
    def with_prefixes(quoted: re.Match[str]) -> str:
        return re.sub(r"\w+", lambda word: keys.get(word[0], word[0]), quoted[0])

    return re.sub(r"`[^`]+`", with_prefixes, re.sub(r"\bNone\b", "null", meaning))


def _render(key: str, value: Any, meanings: dict[str, str]) -> str:
    shown = yaml.safe_dump(value, default_flow_style=True).splitlines()[0]
    if isinstance(value, str) and value[0].isdigit():
        shown = f'"{value}"'  # 10:00:00 without quotes is a number to YAML
    comment = textwrap.wrap(meanings.get(key, ""), WIDTH - 2, break_on_hyphens=False)
    return "".join(f"# {words}\n" for words in comment) + f"{key}: {shown}\n"


def main() -> None:
    for backend in CONFIG_CLASSES:
        launcher_file(backend).write_text(render_launcher(backend))


if __name__ == "__main__":
    main()
