"""Other forms of a request that a site may demand, and the words by which a site names them. Pure.

Sites use their own words for a refusal (job_submit.lua). The words only decide what is tried first.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from tmgg.experiment_utils.cloud.slurm.setup.facts import Facts
from tmgg.experiment_utils.cloud.slurm.setup.first_request import (
    Choices,
    admitted,
    nodes_of,
)
from tmgg.experiment_utils.cloud.slurm.site.site import features_by_count, gpu_models

MOST_OF_ONE_KIND = 6

_WORDS = {
    "account": r"\baccounts?\b|project|-A\b",
    "qos": r"\bqos|quality of service",
    "partition": r"partition|queue|-p\b",
    "gpus": r"gpu|gres|generic resource|tres",
    "memory": r"\bmem|memory",
    "constraint": r"constraint|feature|-C\b",
    "cpus": r"\bcpus?\b|cores?\b|cpus-per|tasks",
    "time": r"time|wall",
    "whole nodes": r"exclusive|whole node|full node|shar",
}
_OPTIONS = {
    "account": "--account",
    "qos": "--qos",
    "partition": "--partition",
    "gpus": "--gpu|--gres",
    "memory": "--mem",
    "constraint": "--constraint",
    "cpus": "--cpus|--ntasks",
    "time": "--time",
    "whole nodes": "--exclusive",
}


@dataclass(frozen=True, kw_only=True, slots=True)
class Axis:
    """One thing that a request may ask for in several ways; a way is values of fields."""

    name: str
    ways: Sequence[Mapping[str, Any]]

    def is_meant(self, words: str) -> bool:
        """Whether the words of a refusal seem to be about this thing."""
        return re.search(_WORDS[self.name], words, re.IGNORECASE) is not None

    def likelihood(self, words: str) -> int:
        """How likely the words are about this thing: 2 if they name its option, else 1 or 0."""
        if re.search(_OPTIONS[self.name], words):
            return 2
        return int(self.is_meant(words))

    def ways_for(self, words: str) -> list[Mapping[str, Any]]:
        """The ways, sorted by how many of their values are in the words, the most first."""
        named = {*re.findall(r"[\w@.-]+", words), *re.findall(r"\w+", words)}
        return sorted(self.ways, key=lambda way: -len(named & set(map(str, way.values()))))


def alternatives(facts: Facts, first: Choices, given: Mapping[str, Any]) -> list[Axis]:
    """What may be tried; it does not change what the user has set."""
    partition = first["partition"].value
    nodes = nodes_of(facts, partition)
    accounts = facts.accounts[:MOST_OF_ONE_KIND]
    qualities = facts.qos_of(None, partition)[:MOST_OF_ONE_KIND]
    features = features_by_count(nodes)[:MOST_OF_ONE_KIND]
    partitions = [name for name in admitted(facts) if name != partition]
    axes = [
        Axis(name="account", ways=[{"account": name} for name in accounts]),
        Axis(name="qos", ways=[{"qos": name} for name in qualities]),
        Axis(name="gpus", ways=_gpu_ways(facts, first)),
        Axis(name="memory", ways=_memory_ways(first)),
        Axis(name="constraint", ways=[{"constraint": name} for name in features]),
        Axis(name="whole nodes", ways=[{"exclusive": not first["exclusive"].value}]),
        Axis(name="cpus", ways=_cpu_ways(facts, first)),
        Axis(name="time", ways=[{"time_limit": text} for text in ("01:00:00", "00:30:00")]),
        Axis(
            name="partition",
            ways=[{"partition": name} for name in [*partitions[:MOST_OF_ONE_KIND], None]],
        ),
    ]
    return [open_axis for axis in axes if (open_axis := _open(axis, given)).ways]


def _open(axis: Axis, given: Mapping[str, Any]) -> Axis:
    """The axis without the ways that would change what the user has set."""
    ways = [
        way
        for way in axis.ways
        if all(given.get(name, value) == value for name, value in way.items())
    ]
    return Axis(name=axis.name, ways=ways)


def _gpu_ways(facts: Facts, first: Choices) -> list[dict[str, Any]]:
    count = first["gpus_per_task"].value
    if not count:
        return []
    nodes = nodes_of(facts, first["partition"].value)
    models = gpu_models(nodes)[:3]
    plain: list[dict[str, Any]] = [{"gpu_request": how} for how in ("node", "gres")]
    typed = [
        {"gpu_request": how, "gpu_type": model}
        for how in ("gres", "node", "task")
        for model in models
    ]
    most = max((node.gpu_count(None) for node in nodes), default=count)
    ways = [*plain, *typed, {"gpu_request": "none"}]
    if most == count:
        return ways
    # Sites with whole nodes only may demand that a job asks for all of a node's GPUs.
    all_of_them: list[dict[str, Any]] = [{}, *plain, *typed[: len(models)]]
    return [*ways, *({**way, "gpus_per_task": most} for way in all_of_them)]


def _memory_ways(first: Choices) -> list[dict[str, Any]]:
    per_cpu = first["mem_per_cpu"].value
    cpus = first["cpus_per_task"].value
    none: dict[str, Any] = {"mem_per_cpu": None, "mem_per_node": None, "mem_per_gpu": None}
    if per_cpu is None:
        return [none]
    amount = _times(str(per_cpu), cpus)
    ways = [none, {**none, "mem_per_node": amount}]
    if first["gpus_per_task"].value:
        ways.append({**none, "mem_per_gpu": amount})
    return [*ways, {**none, "mem_per_node": "0"}]


def _times(amount: str, factor: int) -> str:
    found = re.fullmatch(r"(\d+)(\w+)", amount)
    assert found is not None
    return f"{int(found[1]) * factor}{found[2]}"


def _cpu_ways(facts: Facts, first: Choices) -> list[dict[str, Any]]:
    now = first["cpus_per_task"].value
    counts = {1}
    for node in nodes_of(facts, first["partition"].value):
        gpus = node.gpu_count(None)
        counts |= {node.cpus, *({node.cpus // gpus} if gpus else set())}
    return [{"cpus_per_task": each} for each in sorted(counts - {now, 0})][:MOST_OF_ONE_KIND]
