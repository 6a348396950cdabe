"""What `tmgg-jobs setup` asks, writes and prints."""

import contextlib
import json
import os
import re
import secrets
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tmgg.cli.launcher_file import parse_overrides, read_options, runner_of
from tmgg.console import exit_codes
from tmgg.console.printing import put
from tmgg.errors import BackendError, ConfigError, QueryError
from tmgg.experiment_utils.cloud.slurm.client import SlurmClient
from tmgg.experiment_utils.cloud.slurm.config import SlurmConfig
from tmgg.experiment_utils.cloud.slurm.planning.trial import Trial, render_trial, try_script
from tmgg.experiment_utils.cloud.slurm.refusal_words import is_silent
from tmgg.experiment_utils.cloud.slurm.setup.alternatives import alternatives
from tmgg.experiment_utils.cloud.slurm.setup.facts import Facts, gather
from tmgg.experiment_utils.cloud.slurm.setup.first_request import first_request
from tmgg.experiment_utils.cloud.slurm.setup.profile import Line, profile_lines
from tmgg.experiment_utils.cloud.slurm.setup.search import Found, search
from tmgg.experiment_utils.cloud.slurm.site.site_queries import SiteQueries
from tmgg.experiment_utils.extras import is_installed, missing_for_built_in
from tmgg.experiment_utils.files.atomic_file import write_atomic
from tmgg.experiment_utils.files.looking import is_there
from tmgg.experiment_utils.files.trust import OWNER_ONLY_FOLDER
from tmgg.experiment_utils.files.write_cures import cure_for
from tmgg.hydra_plugins.launcher_options import split_options
from tmgg.hydra_plugins.profile_text import render_profile
from tmgg.hydra_plugins.profiles import profile_file

_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_-]{0,63}")
QUESTION_TIMEOUT_S = 20.0
READABLE = 0o644


@dataclass(frozen=True, kw_only=True, slots=True)
class Setup:
    """What was learned and written."""

    file: Path
    name: str
    is_by_name: bool
    """Whether every Hydra app of this environment finds the file by its name."""
    facts: Facts
    lines: Sequence[Line]
    found: Found
    last: Trial
    """The trial of the file as it was read back."""
    questions: int

    @property
    def is_taken(self) -> bool:
        return self.last.is_taken

    @property
    def exit_code(self) -> int:
        if self.is_taken:
            return exit_codes.OK
        return exit_codes.FAILED if self.last.refusal else exit_codes.NO_ANSWER


def set_up(overrides: Sequence[str], *, name: str, output: Path | None, force: bool) -> Setup:
    """Ask, try, write, and read back.

    Raises ConfigError for options that are not valid and for a file that exists already,
    BackendError if Slurm does not answer.
    """
    if not _NAME.fullmatch(name):
        raise ConfigError(f"--name {name}: a launcher's name has letters, digits, _ and - only")
    file = profile_file(name) if output is None else output.absolute()
    if not force and is_there(file):
        raise ConfigError(f"{file} is there already. --force replaces it, --name writes another.")
    given, general = split_options(parse_overrides(overrides), "slurm")
    if general:
        raise ConfigError(
            f"{next(iter(general))} is not an option of a cluster; add it to the file"
        )
    SlurmConfig.from_mapping(given)
    client = SlurmClient(cluster=given.get("clusters"), query_timeout_s=QUESTION_TIMEOUT_S)
    queries, base = SiteQueries(client), Path.cwd()
    facts = _gathered(queries, given)
    first = first_request(facts, given, has_ray=is_installed("ray"))
    asks = SlurmConfig.from_mapping({field: each.value for field, each in first.items()})

    def attempt(config: SlurmConfig) -> Trial:
        return try_script(queries, render_trial(config, base=base), cwd=base)

    found = search(asks, alternatives(facts, first, given), attempt)
    lines = profile_lines(facts, first, found)
    try:
        _write(file, render_profile(lines, header=_header(facts, found, name)), force=force)
    except OSError as error:
        cure = cure_for(error, file.parent)
        raise ConfigError(
            f"the launcher file {file} cannot be written: {error.strerror}. "
            f"{cure + '. ' if cure else ''}Or write it elsewhere: --output FILE."
        ) from error
    # Read the file back as a launch does, so that the trial is of what was written.
    written = runner_of(read_options(file, []), file)
    last = attempt(written.config)
    return Setup(
        file=file,
        name=name,
        is_by_name=file == profile_file(name),
        facts=facts,
        lines=lines,
        found=found,
        last=last,
        questions=sum(client.calls.values()),
    )


def _gathered(queries: SiteQueries, given: Mapping[str, Any]) -> Facts:
    """Gather the facts. The BackendError says what to do if this login may have no cluster."""
    try:
        return gather(queries)
    except QueryError as error:
        if given.get("clusters") is not None:
            raise
        names = ""
        with contextlib.suppress(BackendError):
            names = f" The accounts know {', '.join(queries.clusters())}."
        if is_silent(str(error)):
            raise QueryError(
                f"{error}\nThe controller of this login's cluster does not answer: try again "
                f"later. For another cluster, tmgg-jobs setup slurm_clusters=NAME.{names}"
            ) from error
        raise QueryError(
            f"{error}\nIf this login has no cluster of its own, name one: tmgg-jobs setup "
            f"slurm_clusters=NAME.{names}"
        ) from error


def _header(facts: Facts, found: Found, name: str) -> list[str]:
    when = time.strftime("%Y-%m-%d")
    cluster = facts.cluster or "a cluster without a name"
    report_lines = [
        f"hydra/launcher={name}: written by tmgg-jobs setup on {when} for {cluster} "
        f"({facts.version}).",
        "Above each line is its reason. Lines that are commented out are for you to say.",
    ]
    if found.trial.refusal:
        report_lines.append(f"SLURM REFUSES THIS REQUEST STILL: {found.trial.refusal}")
    elif not found.trial.is_taken:
        report_lines.append(f"WHETHER SLURM TAKES THIS REQUEST IS NOT KNOWN: {found.trial.silence}")
    return report_lines


def _write(file: Path, text: str, *, force: bool) -> None:
    file.parent.mkdir(parents=True, exist_ok=True, mode=OWNER_ONLY_FOLDER)
    if force:
        write_atomic(file, text.encode(), mode=READABLE)
        return
    draft = file.with_name(f".{file.name}.{secrets.token_hex(4)}")
    write_atomic(draft, text.encode(), mode=READABLE)
    try:
        os.link(draft, file)  # only one process can make the name
    except FileExistsError as error:
        raise ConfigError(
            f"{file} was made by another process in the meantime; it was not changed"
        ) from error
    finally:
        draft.unlink(missing_ok=True)


def put_setup(done: Setup) -> None:
    """What was found, what Slurm says of it, and what to run next."""
    facts = done.facts
    put(f"{facts.cluster or 'this cluster'}: {facts.version}, asked {done.questions} times")
    for line in done.lines:
        if line.is_known:
            put(f"  {line.key}: {json.dumps(line.value)}    # {line.reason}".rstrip("# "))
    unknown = [line.key for line in done.lines if not line.is_known]
    if unknown:
        put(f"for you to set, if needed: {', '.join(unknown)}")
    for what, why in facts.unanswered.items():
        put(f"not known: {what} ({why})")
    put(f"\nwritten: {done.file}")
    put(_verdict(done))
    put("\nnext:")
    for command in next_commands(done):
        put(f"  {command}")


def _verdict(done: Setup) -> str:
    start = done.last.start
    if start is not None:
        when = "" if start.at is None else f" at {start.at.isoformat(sep=' ')}"
        where = f" on {start.nodes}" if start.nodes else ""
        return f"Slurm takes a job with it (sbatch --test-only), and would start it{when}{where}."
    if done.last.refusal:
        words = done.last.refusal
        return f"Slurm REFUSES a job with it, and with every other form that was tried: {words}"
    return f"Whether Slurm takes a job with it is not known: {done.last.silence}"


def next_commands(done: Setup) -> list[str]:
    """The commands that run the first job."""
    where = str(done.file)
    if not done.is_taken:
        return [f"edit {where}", f"tmgg-jobs doctor --no-job --config {where}"]
    if not done.is_by_name:
        # The file is hydra/launcher/NAME.yaml below the folder for --config-dir.
        folder = done.file.parents[2]
        named = f"--config-dir {folder} hydra/launcher={done.file.stem}"
        return [
            *_built_in(f"{named} +stage=stage1_poc"),
            f"python your_app.py {named} -m",
            f"tmgg-jobs doctor --config {where}    # a short job looks at the nodes",
        ]
    return [
        *_built_in(f"+stage=stage1_poc hydra/launcher={done.name}"),
        f"python your_app.py -m hydra/launcher={done.name}    # any Hydra app of this environment",
        f"tmgg-jobs doctor --config {done.name}    # a short job looks at the nodes",
    ]


def _built_in(arguments: str) -> list[str]:
    """A command for a built-in experiment, if the packages for it are installed."""
    return [f"tmgg-experiment {arguments}"] if missing_for_built_in() is None else []


def setup_as_json(done: Setup) -> dict[str, Any]:
    """The document of `--json`."""
    start = done.last.start
    return {
        "file": str(done.file),
        "launcher": done.name,
        "cluster": done.facts.cluster or None,
        "is_taken": done.is_taken,
        "start": start.at.isoformat() if start and start.at else None,
        "refusal": done.last.refusal or None,
        "lines": [
            {"key": each.key, "value": each.value, "reason": each.reason, "known": each.is_known}
            for each in done.lines
        ],
        "unanswered": dict(done.facts.unanswered),
        "questions": done.questions,
        "next": next_commands(done),
    }
