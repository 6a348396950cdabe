"""The whole examination; each check comes after the checks on which it depends."""

import os
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

from tmgg.errors import BackendError, BackendUnavailableError, QueryError, SubmissionError
from tmgg.experiment_utils.cloud.runs import TaskRequest
from tmgg.experiment_utils.cloud.slurm.commands import AccountingAbsentError
from tmgg.experiment_utils.cloud.slurm.config import SlurmConfig
from tmgg.experiment_utils.cloud.slurm.installed import HELPFUL_COMMANDS, missing_commands
from tmgg.experiment_utils.cloud.slurm.refusal_words import knows_no_cluster, shortened
from tmgg.experiment_utils.cloud.slurm.runner import SlurmRunner
from tmgg.experiment_utils.cloud.slurm.site.doctor import policies, requests, survey
from tmgg.experiment_utils.cloud.slurm.site.doctor.findings import Finding, ok, problem, warning
from tmgg.experiment_utils.cloud.slurm.site.doctor.short_job import Say
from tmgg.experiment_utils.cloud.slurm.site.doctor.start_job import is_needed, try_start
from tmgg.experiment_utils.cloud.slurm.site.doctor.survey_job import survey_nodes
from tmgg.experiment_utils.cloud.slurm.site.site import Settings, names_shown
from tmgg.experiment_utils.cloud.slurm.site.site_queries import SiteQueries
from tmgg.experiment_utils.files.accounts import user_name
from tmgg.experiment_utils.files.atomic_file import write_atomic

SMALL_DISK_MB = 1024
SLOW_WRITE_S = 2.0
_LOG_IN = "Log in to the cluster's login node, or load the site's slurm module."


def examine(
    runner: SlurmRunner, *, job_limit_s: float | None, say: Say, with_start: bool = True
) -> Iterator[Finding]:
    """Findings about the cluster, for a run with the runner's config.

    `job_limit_s` limits the wait for each job, in seconds; with None no job is submitted. A job is
    submitted only if there is no problem so far. The second job starts as a run does; it is
    submitted only with `with_start`, and if a run starts more than one process.
    """
    troubled = False
    for finding in _from_here(runner):
        troubled = troubled or finding.level == "problem"
        yield finding
    if job_limit_s is None:
        return
    if troubled:
        text = "no job was sent because of the problems above; nothing is known about the nodes"
        yield warning("job", text, "Correct them and run the doctor again.")
        return
    surveyed = survey_nodes(runner, limit_s=job_limit_s, say=say)
    yield from surveyed
    # If there is only one finding, it says that the job did not end as it should.
    is_sound = len(surveyed) > 1 and all(each.level != "problem" for each in surveyed)
    if with_start and is_sound and is_needed(runner.config):
        yield from try_start(runner, limit_s=job_limit_s, say=say)


def _from_here(runner: SlurmRunner) -> Iterator[Finding]:
    queries = SiteQueries(runner.client)
    missing = missing_commands()
    if missing:
        text = f"not on PATH: {', '.join(missing)}"
        if not HELPFUL_COMMANDS.issuperset(missing):
            yield problem("commands", text, _LOG_IN)
            return
        yield warning("commands for accounts", text, "Runs go on without; ask your site for them.")
    try:
        yield ok("commands", queries.version())
        yield ok("controller", queries.ping())
        site = queries.settings()
    except (QueryError, BackendUnavailableError) as error:
        wait = "Wait until it answers: scontrol ping."
        yield problem("controller", str(error), _LOG_IN if knows_no_cluster(str(error)) else wait)
        return
    yield from _asked("partition", lambda: _partitions(runner, site))
    yield from _asked("account", lambda: _accounts(runner, site))
    yield from policies.check_site(runner.config, site)
    yield from _output_folder(runner.output_dir)
    yield from _trial(runner)


def _asked(check: str, ask: Callable[[], list[Finding]]) -> list[Finding]:
    """The findings of `ask`; if Slurm does not answer, one warning that says so."""
    try:
        return ask()
    except BackendError as error:
        return [warning(check, f"could not be looked at: {error}", "Run the doctor again later.")]


def _partitions(runner: SlurmRunner, site: Settings) -> list[Finding]:
    queries = SiteQueries(runner.client)
    table = {row.get("PartitionName", ""): row for row in queries.partitions(hidden=True)}
    found = []
    for name in _names_of_partitions(runner.config, table, site):
        if name not in table:
            known = ", ".join(sorted(names_shown(table)))
            text = f"there is no partition {name}; there are {known}"
            found.append(problem(f"partition {name}", text, "Set slurm_partition to one of them."))
            continue
        found += requests.check_partition(runner.config, table[name])
        found += requests.check_nodes(runner.config, name, queries.nodes_of(name))
        found += policies.check_preemption(
            runner.config, table[name], site, partitions=list(table.values())
        )
    return found


def _names_of_partitions(
    config: SlurmConfig, table: Mapping[str, Settings], site: Settings
) -> list[str]:
    """The partitions of the config; if it names none, the site's default partition.

    Empty if the config names none and the site has its own rules: they may choose any partition.
    """
    if not config.partitions and site.get("JobSubmitPlugins", "(null)") not in ("", "(null)"):
        return []
    default = [name for name, row in table.items() if row.get("Default") == "YES"]
    return config.partitions or default


def _accounts(runner: SlurmRunner, site: Settings) -> list[Finding]:
    queries = SiteQueries(runner.client)
    try:
        rows, qualities = queries.associations(), queries.qualities()
        accounts = {row.get("Account") for row in policies.here_only(rows, site)}
        is_open = runner.config.account is None and len(accounts) > 1
        account = queries.default_account(user_name(os.getuid())) if is_open else ""
        own = policies.own_associations(runner.config, rows, site, account)
        default = next((row.get("Def QOS") or None for row in own), None)
        return [
            *policies.check_accounts(runner.config, rows, site, account),
            *policies.check_qualities(runner.config, qualities, default),
        ]
    except AccountingAbsentError:
        return []  # check_site reports it


def _output_folder(folder: Path) -> list[Finding]:
    check = "output folder"
    started = time.monotonic()
    try:
        folder.mkdir(parents=True, exist_ok=True)
        mark = folder / f".doctor-{os.getpid()}"
        write_atomic(mark, b"x")
        mark.unlink()
        disk = os.statvfs(folder)
    except OSError as error:
        advice = "Set slurm_output_dir to a folder you can write to, with room in it."
        return [problem(check, f"{folder} cannot be written: {error}", advice)]
    took_s = time.monotonic() - started
    free_mb = disk.f_bavail * disk.f_frsize >> 20
    text = f"{folder}: {free_mb} MB free; a record is written in {took_s * 1000:.0f} ms"
    if free_mb < SMALL_DISK_MB:
        return [warning(check, text, "Make room, or set another slurm_output_dir.")]
    if took_s > SLOW_WRITE_S:
        return [warning(check, text, "Each submission writes about ten records.")]
    return [ok(check, text)]


def _trial(runner: SlurmRunner) -> list[Finding]:
    """Whether Slurm would accept the script that a run would submit."""
    check = "trial submission"
    request = TaskRequest(config=survey.make_config(runner.config, ""), run_id="doctor-trial")
    with tempfile.TemporaryDirectory(prefix="tmgg-doctor-") as folder:
        script = Path(folder) / "job.sh"
        script.write_text(runner.render_job_script(request))
        try:
            return [ok(check, SiteQueries(runner.client).try_submit(script, cwd=runner.base_dir))]
        except SubmissionError as error:
            advice = "Slurm would refuse every run with these options; correct what it names."
            words = "\n".join(shortened(str(error).splitlines()))
            return [problem(check, words, advice)]
        except QueryError as error:
            return [warning(check, f"got no answer: {error}", "Run the doctor again later.")]
