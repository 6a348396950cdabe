"""The nodes of the allocation, for the driver: it starts runs there, and gets events."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal, Protocol

from tmgg.experiment_utils.packed.fork_server_client import Warmth
from tmgg.experiment_utils.packed.node_agent import NodeAgent
from tmgg.experiment_utils.packed.node_share import default_runs_per_node
from tmgg.experiment_utils.packed.run_order import Order
from tmgg.experiment_utils.packed.schedule import Assignment

EventKind = Literal["node_ready", "run_ended", "run_lost", "node_lost"]


@dataclass(frozen=True, kw_only=True, slots=True)
class Event:
    """Something that happened to a node or a run."""

    kind: EventKind
    node: str
    run: str = ""
    code: int = 0
    """Exit code of the run's keeper."""
    runs_at_once: int = 0
    why: str = ""


class Nodes(Protocol):
    """Starts runs on nodes; `wait` returns what happens to them."""

    @property
    def count(self) -> int:
        """The number of nodes that are not lost; some of them may not be ready yet."""
        ...

    def start(self, assignment: Assignment, order: Order) -> None: ...

    def wait(self, timeout_s: float) -> Sequence[Event]:
        """Wait for events since the last call, at most `timeout_s` seconds; return them."""
        ...

    def end_for_time(self) -> None:
        """Ask all runs to end, because the time is over."""
        ...

    def terminate(self) -> None:
        """Ask all runs to end, because the allocation ends."""
        ...


class RayNodes:
    """Every node of a Ray cluster, each with a `NodeAgent`."""

    def __init__(self, *, runs_per_node: int | None, names: Sequence[str], warmth: Warmth) -> None:
        self._runs_per_node = runs_per_node
        self._agents: dict[str, Any] = {}
        self._runs_at_once: dict[str, int] = {}
        self._open: dict[Any, tuple[str, str | None]] = {}
        """By Ray's reference to a call: the node, and the run; None for the call of `warm_up`."""
        self._ray = _ray()
        for node in self._ray.nodes():
            if node["Alive"]:
                self._hire(node, names=names, warmth=warmth)

    def _hire(self, node: dict[str, Any], **options: Any) -> None:
        name = node["NodeManagerHostname"]
        cpus, gpus = (int(node["Resources"].get(kind, 0)) for kind in ("CPU", "GPU"))
        runs = self._runs_per_node or default_runs_per_node(cpus=cpus, gpus=gpus)
        remote = self._ray.remote(NodeAgent).options(
            num_cpus=cpus,
            num_gpus=gpus,
            max_restarts=0,
            # One thread waits for each run; the others take the driver's other calls.
            max_concurrency=runs + 4,
            scheduling_strategy=_on(node["NodeID"]),
        )
        agent = remote.remote(runs_at_once=runs, cpus=cpus, **options)
        self._agents[name], self._runs_at_once[name] = agent, runs
        self._open[agent.warm_up.remote()] = (name, None)

    @property
    def count(self) -> int:
        return len(self._agents)

    def start(self, assignment: Assignment, order: Order) -> None:
        place = assignment.place
        reference = self._agents[place.node].run.remote(order.to_json(), place.slot)
        self._open[reference] = (place.node, assignment.run)

    def wait(self, timeout_s: float) -> list[Event]:
        if not self._open:
            return []
        ready, _ = self._ray.wait(list(self._open), num_returns=1, timeout=timeout_s)
        if ready:
            ready, _ = self._ray.wait(
                list(self._open), num_returns=len(self._open), timeout=0, fetch_local=False
            )
        return [event for reference in ready for event in self._events(reference)]

    def _events(self, reference: Any) -> list[Event]:
        node, run = self._open.pop(reference)
        try:
            value = self._ray.get(reference)
        except self._ray.exceptions.RayActorError as error:
            lost = [] if run is None else [_lost(node, run, error)]
            return [*lost, *self._dismiss(node, error)]
        except self._ray.exceptions.RayError as error:  # raised in the agent
            return self._dismiss(node, error) if run is None else [_lost(node, run, error)]
        if run is None:
            return [Event(kind="node_ready", node=node, runs_at_once=self._runs_at_once[node])]
        return [Event(kind="run_ended", node=node, run=run, code=value)]

    def _dismiss(self, node: str, error: Exception) -> list[Event]:
        if self._agents.pop(node, None) is None:
            return []
        return [Event(kind="node_lost", node=node, why=_first_line(error))]

    def end_for_time(self) -> None:
        for agent in self._agents.values():
            agent.end_for_time.remote()

    def terminate(self) -> None:
        for agent in self._agents.values():
            agent.terminate.remote()


def _ray() -> Any:
    import ray  # imported here: it takes over a second, and only the driver needs it

    return ray


def _on(node_id: str) -> Any:
    from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy  # as above

    return NodeAffinitySchedulingStrategy(node_id, soft=False)


def _lost(node: str, run: str, error: Exception) -> Event:
    return Event(kind="run_lost", node=node, run=run, why=_first_line(error))


def _first_line(error: Exception) -> str:
    lines = [line for line in str(error).splitlines() if line.strip()]
    return lines[-1] if lines else type(error).__name__
