"""What `tmgg-jobs plan` asks and prints."""

import os
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Any

from tmgg.cli.launcher_file import read_options, runner_of
from tmgg.console import exit_codes
from tmgg.console.durations import render_duration
from tmgg.console.printing import put
from tmgg.console.tables import Column, put_columns
from tmgg.errors import BackendError
from tmgg.experiment_utils.cloud.slurm.config import AUTOMATIC
from tmgg.experiment_utils.cloud.slurm.planning.fair_share import FairShare, parse_shares
from tmgg.experiment_utils.cloud.slurm.planning.plan import (
    Choice,
    earliest,
    look_at_site,
    try_all,
)
from tmgg.experiment_utils.cloud.slurm.planning.trial import render_trial
from tmgg.experiment_utils.cloud.slurm.request.usage import render_usage
from tmgg.experiment_utils.cloud.slurm.runner import SlurmRunner
from tmgg.experiment_utils.cloud.slurm.site.site_queries import SiteQueries
from tmgg.experiment_utils.files.accounts import user_name

SOON_S = 60.0


@dataclass(frozen=True, kw_only=True, slots=True)
class Plan:
    """All that was learned."""

    usage: str
    choices: Sequence[Choice]
    best: Choice | None
    shares: Sequence[FairShare]
    shares_unknown: str
    """Why the shares are not known; empty if they are known."""

    @property
    def is_taken(self) -> bool | None:
        """Whether Slurm takes the job in some partition; None if that is not known."""
        if any(choice.trial.is_taken for choice in self.choices):
            return True
        refusals = [choice.trial.refusal for choice in self.choices]
        return False if refusals and all(refusals) else None

    @property
    def exit_code(self) -> int:
        if self.is_taken is None:
            return exit_codes.NO_ANSWER
        return exit_codes.OK if self.is_taken else exit_codes.FAILED


def make_plan(file: Path | None, overrides: Sequence[str], *, runs: int) -> Plan:
    """Ask Slurm. Raises ConfigError as `read_options`, BackendError where Slurm does not answer."""
    options = read_options(file, overrides)
    if options.get("slurm_partition") == AUTOMATIC:
        options["slurm_partition"] = None  # every partition is tried
    runner = runner_of(options, file)
    queries = SiteQueries(runner.client)
    render = partial(render_trial, base=runner.base_dir)
    choices = try_all(
        queries,
        look_at_site(queries),
        runner.config,
        render=render,
        cwd=runner.base_dir,
        runs=runs,
    )
    shares, unknown = _shares(queries, runner)
    return Plan(
        usage=render_usage(runner.config, runs, "separate"),
        choices=choices,
        best=earliest(choices),
        shares=shares,
        shares_unknown=unknown,
    )


def _shares(queries: SiteQueries, runner: SlurmRunner) -> tuple[list[FairShare], str]:
    try:
        found = parse_shares(queries.shares(), user_name(os.getuid()))
    except BackendError as error:
        return [], str(error).splitlines()[0]
    account = runner.config.account
    return [share for share in found if account in (None, share.account)], ""


def put_plan(plan: Plan) -> None:
    """A table, the earliest, and the fair share."""
    put(plan.usage)
    put_columns(_columns(plan.choices, now=datetime.now()))
    put(f"\n{_outcome(plan)}")
    for share in plan.shares:
        put(render_share(share))
    if plan.shares_unknown:
        put(f"fair share: not known ({plan.shares_unknown})")


def _outcome(plan: Plan) -> str:
    if plan.best is not None:
        return f"earliest: {_place(plan.best)}; slurm_partition=auto takes the earliest by itself"
    if plan.is_taken:
        return "Slurm takes the job, and does not say when it would start."
    if plan.is_taken is None:
        return "Whether the job would start is not known: the notes say where Slurm did not answer."
    return "The job would start in none of them."


def render_share(share: FairShare) -> str:
    """One line."""
    used = "" if share.usage is None else f", {share.usage:.1%} of the cluster's recent use"
    return f"fair share of account {share.account}: {share.factor:.3f} (1 is best){used}"


def _columns(choices: Sequence[Choice], *, now: datetime) -> list[Column]:
    return [
        Column(name="partition", cells=[each.partition or "(none named)" for each in choices]),
        Column(name="GPU model", cells=[each.gpu_type or "any" for each in choices]),
        Column(name="starts", cells=[_when(each, now) for each in choices]),
        _numbers("node-hours", [each.cost.node_hours for each in choices]),
        _numbers("GPU-hours", [each.cost.gpu_hours for each in choices]),
        _numbers("billing-hours", [each.cost.billing_hours for each in choices]),
        Column(name="notes", cells=[_note(each) for each in choices], is_prose=True),
    ]


def _numbers(name: str, values: Sequence[float | None]) -> Column:
    cells = ["" if value is None else f"{value:.6g}" for value in values]
    return Column(name=name, cells=cells, is_number=True, rank=1)


def _when(choice: Choice, now: datetime) -> str:
    if choice.at is None:
        return "no" if choice.trial.refusal else "not known"
    wait_s = (choice.at.replace(tzinfo=None) - now).total_seconds()
    if wait_s < SOON_S:
        return "now"
    at = choice.at.isoformat(sep=" ", timespec="minutes")
    return f"{at} (in {render_duration(wait_s)})"


def _note(choice: Choice) -> str:
    words = [choice.trial.refusal or choice.trial.silence.replace("\n", " ")]
    if choice.trial.is_taken:
        words.append("the site's default" if choice.is_default else "")
        words.append(f"may be preempted ({choice.preemption})" if choice.preemption else "")
    return "; ".join(filter(None, words))


def _place(choice: Choice) -> str:
    model = f" slurm_gpu_type={choice.gpu_type}" if choice.gpu_type else ""
    return f"slurm_partition={choice.partition or 'null'}{model}"


def plan_as_json(plan: Plan) -> dict[str, Any]:
    """The document of `--json`."""
    return {
        "usage": plan.usage,
        "choices": [_choice_as_json(each) for each in plan.choices],
        "earliest": None if plan.best is None else _choice_as_json(plan.best),
        "fair_shares": [
            {"account": share.account, "factor": share.factor, "usage": share.usage}
            for share in plan.shares
        ],
        "fair_shares_unknown": plan.shares_unknown or None,
    }


def _choice_as_json(choice: Choice) -> dict[str, Any]:
    start = choice.trial.start
    return {
        "partition": choice.partition,
        "gpu_type": choice.gpu_type,
        "start": None if choice.at is None else choice.at.isoformat(),
        "nodes": start.nodes if start else None,
        "refusal": choice.trial.refusal or None,
        "unknown": choice.trial.silence or None,
        "is_default": choice.is_default,
        "preemption": choice.preemption or None,
        "node_hours": choice.cost.node_hours,
        "gpu_hours": choice.cost.gpu_hours,
        "billing_hours": choice.cost.billing_hours,
    }
