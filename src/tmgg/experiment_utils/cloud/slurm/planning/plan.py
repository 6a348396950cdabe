"""Where a job could run: each partition and GPU model, tried by `sbatch --test-only`."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path

from tmgg.experiment_utils.cloud.slurm.config import SlurmConfig
from tmgg.experiment_utils.cloud.slurm.planning.costs import Cost, cost_of
from tmgg.experiment_utils.cloud.slurm.planning.trial import RenderScript, Trial, try_script
from tmgg.experiment_utils.cloud.slurm.site.doctor.requests import lacks
from tmgg.experiment_utils.cloud.slurm.site.site import Node, Settings, preemption
from tmgg.experiment_utils.cloud.slurm.site.site_queries import SiteQueries

MOST_TRIALS = 24
"""Each trial is a question to the controller, which other users need, too."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Choice:
    """One place for the job, and what Slurm says about it."""

    partition: str | None
    """None if the job names no partition: then the site chooses."""
    gpu_type: str | None
    """The GPU model that the job asks for; None is any."""
    trial: Trial
    cost: Cost
    is_default: bool
    """Whether it is the site's default partition."""
    preemption: str
    """How Slurm preempts jobs there (PreemptMode); empty if it does not."""

    @property
    def at(self) -> datetime | None:
        """When the job would start."""
        return None if self.trial.start is None else self.trial.start.at


@dataclass(frozen=True, kw_only=True, slots=True)
class Site:
    """The answers that all choices share."""

    settings: Settings
    partitions: Sequence[Settings]
    nodes: Mapping[str, Sequence[Node]]
    """Nodes by partition."""


def look_at_site(queries: SiteQueries) -> Site:
    """Asks Slurm three questions. Raises QueryError if there is no answer."""
    return Site(
        settings=queries.settings(),
        partitions=queries.partitions(),
        nodes=queries.nodes_by_partition(),
    )


def try_all(
    queries: SiteQueries,
    site: Site,
    config: SlurmConfig,
    *,
    render: RenderScript,
    cwd: Path,
    runs: int = 1,
    each_model: bool = True,
) -> list[Choice]:
    """A choice for each partition and, with `each_model`, for each GPU model in it.

    If `config` names no partition, the choice without a partition comes first. Then comes the
    site's default partition. Slurm is asked at most MOST_TRIALS questions.
    """
    choices, asked = [], 0
    for row, asks in _places(site, config, each_model=each_model):
        name = asks.partition
        nodes = site.nodes.get(name or "", ())
        trial = _known(row, asks, nodes)
        if trial is None and asked >= MOST_TRIALS:
            trial = Trial(silence=f"not asked: {MOST_TRIALS} questions went before")
        elif trial is None:
            asked += 1
            trial = try_script(queries, render(asks), cwd=cwd)
        fitting = next((node for node in nodes if not lacks(asks, node)), None)
        choices.append(
            Choice(
                partition=name,
                gpu_type=asks.gpu_type,
                trial=trial,
                cost=cost_of(asks, runs, partition=row, node=fitting, site=site.settings),
                is_default=row.get("Default") == "YES",
                preemption=preemption(row, site.partitions, site.settings),
            )
        )
    return choices


def earliest(choices: Sequence[Choice]) -> Choice | None:
    """The choice that starts first; None if none says when.

    Of several that start in the same minute: one without preemption, then the default partition.
    """
    starting = [choice for choice in choices if choice.at is not None]
    return min(
        starting,
        key=lambda each: (_minute(each.at), bool(each.preemption), not each.is_default),
        default=None,
    )


def _minute(at: datetime | None) -> datetime:
    """The time without seconds: they only differ because the questions came one after another."""
    assert at is not None
    return at.replace(second=0, microsecond=0)


def _places(
    site: Site, config: SlurmConfig, *, each_model: bool
) -> Iterator[tuple[Settings, SlurmConfig]]:
    if config.partition is None:
        yield {}, config
    rows = [row for row in site.partitions if "PartitionName" in row]
    for row in sorted(rows, key=lambda row: row.get("Default") != "YES"):
        asks = replace(config, partition=row["PartitionName"])
        nodes = site.nodes.get(row["PartitionName"], ())
        models = _models(asks, nodes) if each_model else [config.gpu_type]
        for model in models:
            yield row, replace(asks, gpu_type=model)


def _models(config: SlurmConfig, nodes: Sequence[Node]) -> list[str | None]:
    """The GPU models to ask for, one by one; None is any model."""
    named = sorted({kind for node in nodes for kind in node.gpus if kind})
    is_settled = config.gpu_type is not None or config.gpu_request == "none"
    if is_settled or not config.gpus_per_task or len(named) < 2:
        return [config.gpu_type]
    return [None, *named]


def _known(row: Settings, asks: SlurmConfig, nodes: Sequence[Node]) -> Trial | None:
    """The outcome of a trial that is known without asking Slurm; else None."""
    if row.get("State", "UP") != "UP":
        return Trial(refusal=f"the partition is {row['State']}")
    counted = asks.gpus_per_task and asks.gpu_request != "none"
    if counted and nodes and not any(node.gpu_count(None) for node in nodes):
        return Trial(refusal="its nodes have no GPUs")
    return None
