"""How a job asks for memory: per CPU, per node or per GPU. Pure."""

from dataclasses import dataclass

from tmgg.errors import ConfigError
from tmgg.experiment_utils.cloud.slurm.request import fields

WHOLE_NODE = "0"
"""The value of `mem_per_node` that asks for all of each node's memory."""


@dataclass(frozen=True, kw_only=True, slots=True)
class MemoryRequest:
    """At most one of the three is set; if none is, the site's default counts."""

    per_cpu: str | None
    per_node: str | None
    per_gpu: str | None

    def check(self, *, default_per_cpu: str, asks_for_gpus: bool) -> "MemoryRequest":
        """The request without mem_per_cpu's default, if another of the three is set.

        Raises ConfigError for an invalid amount, or if several are set.
        """
        for name, amount in self.by_field.items():
            if not (name == "mem_per_node" and amount == WHOLE_NODE):
                fields.memory(name, amount)
        given = self
        if self.per_cpu == default_per_cpu and len(self.by_field) > 1:
            given = MemoryRequest(per_cpu=None, per_node=self.per_node, per_gpu=self.per_gpu)
        if len(given.by_field) > 1:
            named = [f"{name}={amount!r}" for name, amount in given.by_field.items()]
            raise ConfigError(
                f"{' and '.join(named)} exclude each other: Slurm takes memory per CPU, per node "
                "or per GPU. Leave all but one out."
            )
        if given.per_gpu is not None and not asks_for_gpus:
            raise ConfigError(
                f"mem_per_gpu={given.per_gpu!r} needs gpus_per_task of 1 or more, and a "
                "gpu_request other than none. Choose mem_per_node or mem_per_cpu."
            )
        return given

    @property
    def by_field(self) -> dict[str, str]:
        """The amounts that are set, by the name of the field of `SlurmConfig`."""
        named = {
            "mem_per_cpu": self.per_cpu,
            "mem_per_node": self.per_node,
            "mem_per_gpu": self.per_gpu,
        }
        return {name: amount for name, amount in named.items() if amount is not None}

    @property
    def option(self) -> str:
        """The option of sbatch; empty if no memory is asked for."""
        options = {
            "mem_per_cpu": "mem-per-cpu",
            "mem_per_node": "mem",
            "mem_per_gpu": "mem-per-gpu",
        }
        return "".join(f"--{options[name]}={amount}" for name, amount in self.by_field.items())

    @property
    def words(self) -> str:
        """Text such as `4GB per CPU`; empty if no memory is asked for."""
        units = {"mem_per_cpu": "per CPU", "mem_per_node": "per node", "mem_per_gpu": "per GPU"}
        if self.per_node == WHOLE_NODE:
            return "all of a node's memory"
        return "".join(f"{amount} {units[name]}" for name, amount in self.by_field.items())

    def grown(self, factor: float) -> dict[str, str]:
        """Fields of `SlurmConfig` for `factor` times the memory; empty if no amount can grow."""
        return {
            name: fields.scale_memory(amount, factor)
            for name, amount in self.by_field.items()
            if amount != WHOLE_NODE
        }

    def on_node_mb(self, *, cpus: int, gpus: int) -> int:
        """Megabytes that a node must have if the job uses this number of its CPUs and GPUs."""
        counts = {"mem_per_cpu": cpus, "mem_per_node": 1, "mem_per_gpu": gpus}
        return sum(
            counts[name] * fields.memory_mb(amount)
            for name, amount in self.by_field.items()
            if amount != WHOLE_NODE
        )
