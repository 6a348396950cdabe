"""What a Slurm site is like, as values: partitions, nodes, limits, accounts. Pure parsers."""

import logging
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from tmgg.errors import ConfigError
from tmgg.experiment_utils.cloud.slurm.parsing import parse_key_values
from tmgg.experiment_utils.cloud.slurm.request import fields

log = logging.getLogger(__name__)

Settings = Mapping[str, str]
"""`Key=Value` pairs in Slurm's own words."""
_NO_LIMIT = ("", "UNLIMITED", "INFINITE", "N/A", "(null)", "NONE")
_GPU = re.compile(r"gpu(?::(?P<kind>[A-Za-z0-9_.-]+))??(?::(?P<count>\d+))?(?:\(.*\))?")
_UNITS = {"": 1, "K": 1024, "M": 1024**2, "G": 1024**3}
_COUNT = re.compile(r"(?P<amount>[0-9]{1,15}(?:\.[0-9]{1,9})?)(?P<unit>[KMG]?)\+?")
_OUT_STATES = ("down", "drain", "drng", "fail", "maint", "unk", "inval", "boot", "perfctrs")


@dataclass(frozen=True, kw_only=True, slots=True)
class Node:
    name: str
    cpus: int
    memory_mb: int
    gpus: Mapping[str, int]
    """Number of GPUs by model; GPUs without a model in Slurm's answer are under ""."""
    state: str
    features: frozenset[str]

    @property
    def is_out(self) -> bool:
        """Whether it takes no jobs at present: down, drained, not responding."""
        return self.state.endswith("*") or self.state.startswith(_OUT_STATES)

    def gpu_count(self, kind: str | None) -> int:
        """Number of GPUs of the model `kind`; of all models if it is None."""
        return sum(self.gpus.values()) if kind is None else self.gpus.get(kind, 0)


def parse_records(text: str) -> list[Settings]:
    """`scontrol --oneliner show ...`: one record per line."""
    records = (parse_key_values(line) for line in text.splitlines())
    return [record for record in records if record]


def names_shown(table: Mapping[str, Settings]) -> list[str]:
    """The names of the partitions in a table, without those that the site hides."""
    return [name for name, row in table.items() if row.get("Hidden") != "YES"]


def parse_config(text: str) -> Settings:
    """`scontrol show config`: lines of `Key = Value`."""
    pairs = (line.partition("=") for line in text.splitlines())
    return {key.strip(): value.strip() for key, equals, value in pairs if equals}


def parse_table(text: str) -> list[Settings]:
    """`sacctmgr --parsable2`: a header line, then a line for each row."""
    lines = [line.split("|") for line in text.splitlines() if "|" in line]
    if not lines:
        return []
    header = lines[0]
    return [
        dict(zip(header, cells, strict=True)) for cells in lines[1:] if len(cells) == len(header)
    ]


NODE_FORMAT = "%N|%c|%m|%G|%T|%f"
PARTITION_NODE_FORMAT = f"%R|{NODE_FORMAT}"


def parse_nodes(text: str) -> list[Node]:
    """`sinfo --Node` in NODE_FORMAT; each node once, even if it is in several partitions."""
    nodes: dict[str, Node] = {}
    for line in text.splitlines():
        cells = line.split("|")
        if len(cells) != 6:
            continue
        name, cpus_text, memory_text, gres, state, features = cells
        cpus, memory_mb = _parse_count(cpus_text), _parse_count(memory_text)
        if cpus is None or memory_mb is None:
            log.warning("a node in sinfo's answer cannot be read; it is left out: %.200r", line)
            continue
        nodes[name] = Node(
            name=name,
            cpus=cpus,
            memory_mb=memory_mb,
            gpus=parse_gpus(gres),
            state=state,
            features=frozenset(features.split(",")) - {"(null)"},
        )
    return list(nodes.values())


def _parse_count(text: str) -> int | None:
    """A number as sinfo prints it: `64`, `1K` and `1.50K` for 1024 and 1536, `64+` for at least."""
    found = _COUNT.fullmatch(text.strip())
    if found is None:
        return None
    return round(float(found["amount"]) * _UNITS[found["unit"]])


def parse_nodes_by_partition(text: str) -> dict[str, list[Node]]:
    """`sinfo --Node` in PARTITION_NODE_FORMAT."""
    lines: dict[str, list[str]] = {}
    for line in text.splitlines():
        partition, bar, rest = line.partition("|")
        if bar:
            lines.setdefault(partition, []).append(rest)
    return {name: parse_nodes("\n".join(found)) for name, found in lines.items()}


def parse_gpus(gres: str) -> dict[str, int]:
    """GPUs by model in `gpu:2`, `gpu:a100:4(S:0-1),mps:400`, `(null)`."""
    gpus: dict[str, int] = {}
    for item in re.split(r",(?![^(]*\))", gres):
        if found := _GPU.fullmatch(item.strip()):
            kind = found["kind"] or ""
            gpus[kind] = gpus.get(kind, 0) + int(found["count"] or 1)
    return gpus


def gpu_models(nodes: Sequence[Node]) -> list[str]:
    """The names of the GPU models of the nodes."""
    return sorted({kind for node in nodes for kind in node.gpus if kind})


def features_by_count(nodes: Sequence[Node]) -> list[str]:
    """The features of nodes, the most common first."""
    counted = Counter(name for node in nodes for name in node.features)
    return sorted(counted, key=lambda name: (-counted[name], name))


def preemption(row: Settings, partitions: Sequence[Settings], site: Settings) -> str:
    """The PreemptMode with which Slurm preempts jobs of a partition; empty if it never does.

    With preempt/partition_prio, only jobs of a partition with a higher PriorityTier preempt others.
    """
    mode = row.get("PreemptMode", "OFF")
    kind = site.get("PreemptType", "preempt/none")
    if kind == "preempt/none" or mode == "OFF":
        return ""
    own = parse_limit(row.get("PriorityTier"))
    if kind != "preempt/partition_prio" or own is None:
        return mode
    tiers = [parse_limit(each.get("PriorityTier")) for each in partitions]
    return mode if any(tier is None or tier > own for tier in tiers) else ""


def parse_limit(text: str | None) -> int | None:
    """The limit as a number; None if there is no limit, or the text is no number."""
    return int(text) if text is not None and text.isascii() and text.isdigit() else None


def parse_time_limit_s(text: str | None) -> int | None:
    """A time limit in seconds; None if there is no limit, or the text cannot be read."""
    if text is None or text.upper() in _NO_LIMIT:
        return None
    try:
        return fields.parse_time_limit_s(text)
    except ConfigError:
        return None


def parse_resources(text: str) -> dict[str, str]:
    """The amounts in `cpu=4,mem=8G,gres/gpu=2` (TRES), by name."""
    pairs = (item.partition("=") for item in text.split(","))
    return {name: amount for name, equals, amount in pairs if equals}


def parse_memory_mb(text: str) -> int | None:
    """Megabytes in `4GB`, `500`, `187.50G`; None if the text is no amount."""
    found = re.fullmatch(
        r"(?P<amount>\d+(?:\.\d+)?)(?P<unit>[KMGT]?)B?", text.strip(), re.IGNORECASE
    )
    if not found:
        return None
    return round(float(found["amount"]) * fields.MEGABYTES[found["unit"].upper() or "M"])


def parse_list(text: str | None) -> list[str] | None:
    """The names in `a,b`; None if the text means all names (`ALL`) or is missing."""
    return None if text is None or text in (*_NO_LIMIT, "ALL") else text.split(",")


def is_limit(text: str | None) -> bool:
    """Whether there is a limit: `UNLIMITED` and the like mean that there is none."""
    return text is not None and text not in _NO_LIMIT
