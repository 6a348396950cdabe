"""MkDocs hooks: pages made of what there is already, so that nothing is written twice.

The first page is the README, the reference of commands comes from the commands themselves, and the
one of Python from `tmgg.__all__` and the docstrings.
"""

import importlib
import re
from pathlib import Path
from typing import Any

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page

import tmgg

ROOT = Path(__file__).parents[1]
# A link to a file of the repository that is no page of the site.
_TO_REPOSITORY = re.compile(r"\[(?P<text>[^\]]*)\]\(\.\./(?P<path>[^)\s]+)\)")
_LINK = re.compile(r"\]\((?P<path>[^)\s]+)\)")


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add the pages that are made."""
    pages = {
        "index.md": first_page((ROOT / "README.md").read_text()),
        "changelog.md": first_page((ROOT / "CHANGELOG.md").read_text()),
        "reference/commands.md": render_commands(),
        "reference/python.md": render_python(),
    }
    for name, text in pages.items():
        files.append(File.generated(config, name, content=text))
    return files


def on_page_markdown(markdown: str, *, page: Page, config: MkDocsConfig, files: Files) -> str:
    """Links to files of the repository lead there, or are plain words where it has no address."""

    def link(found: re.Match[str]) -> str:
        if not config.repo_url:
            return found["text"]
        return f"[{found['text']}]({config.repo_url.rstrip('/')}/blob/main/{found['path']})"

    return _TO_REPOSITORY.sub(link, markdown)


def first_page(text: str) -> str:
    """A page of the repository's root as one among those of docs/."""

    def link(found: re.Match[str]) -> str:
        path = found["path"]
        if re.match(r"https?:|#", path):
            return found[0]
        inside = path.removeprefix("docs/") if path.startswith("docs/") else f"../{path}"
        return found[0].replace(path, inside)

    return _LINK.sub(link, text)


def render_commands() -> str:
    """What `--help` says, of each command."""
    import typer

    from tmgg.cli.jobs import make_app

    group: Any = typer.main.get_command(make_app())
    parts = ["# Commands\n", "## tmgg-jobs\n", group.help, ""]
    for name, command in group.commands.items():
        parts += [f"### tmgg-jobs {name}\n", command.help or "", "", *_parameters(command), ""]
    parts += ["## tmgg-experiment\n", _EXPERIMENT]
    return "\n".join(parts)


_EXPERIMENT = """A Hydra app: overrides (`key=value`), `-m` for sweeps, `hydra/launcher=tmgg_slurm`
for where to run; `--dry-run` shows what would be submitted, `--version` the version. See
[the command line](../hydra.md) and [the options of a Slurm run](../slurm-options.md).
"""


def _parameters(command: Any) -> list[str]:
    rows = [_parameter(each) for each in command.params if not getattr(each, "hidden", False)]
    if not rows:
        return []
    return ["| argument or option | what it does |", "|---|---|", *rows]


def _parameter(given: Any) -> str:
    names = [*given.opts, *given.secondary_opts]
    if given.param_type_name == "argument":
        names = [given.metavar or given.name.upper()]
    elif not given.is_flag:
        names[-1] += f" {given.metavar or 'VALUE'}"
    words = " ".join((given.help or "").split()).replace("|", "\\|")
    return f"| {', '.join(f'`{name}`' for name in names)} | {words} |"


def render_python() -> str:
    """A section for each name of `tmgg.__all__`, from its docstrings."""
    parts = ["# Python", "", "What `import tmgg` offers. The names load on first use.", ""]
    for name in tmgg.__all__:
        if not name.startswith("__"):
            parts += [f"::: {_home(name)}.{name}", "    options:", "      heading_level: 2", ""]
    return "\n".join(parts)


def _home(name: str) -> str:
    found = getattr(tmgg, name)
    return str(importlib.import_module(found.__module__).__name__)
