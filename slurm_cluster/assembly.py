"""The order in which the parts of a cluster start, restart and stop."""

from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from slurm_cluster.accounting import start_accounting
from slurm_cluster.addresses import CONTROLLER, LOGIN, SWITCH, machine_addresses
from slurm_cluster.daemons import MUNGED, SLURMCTLD, SLURMD, SLURMD_AT_BOOT, daemons_of
from slurm_cluster.errors import ClusterError
from slurm_cluster.exposure import expose, plan_exposures
from slurm_cluster.layout import ClusterLayout
from slurm_cluster.machine import Machine
from slurm_cluster.network import plug_in, set_up_switch
from slurm_cluster.options import ClusterOptions
from slurm_cluster.processes import wait_until
from slurm_cluster.status import ClusterStatus, NodeStatus, parse_nodes

_NODES_TIMEOUT_S = 60
_SINFO = ["sinfo", "--noheader", "--Node", "--format=%N|%T|%E"]


def machines_of(layout: ClusterLayout, options: ClusterOptions) -> Mapping[str, Machine]:
    """All machines by name, the switch first."""
    names = (SWITCH, CONTROLLER, LOGIN, *options.node_names)
    return {name: Machine(name, layout) for name in names}


def all_machines(layout: ClusterLayout, options: ClusterOptions) -> list[Machine]:
    """All machines, the switch first."""
    return list(machines_of(layout, options).values())


def assemble(
    layout: ClusterLayout,
    options: ClusterOptions,
    exposed: Sequence[Path],
    *,
    only: str | None = None,
) -> None:
    """Boot what is off and start the daemons that do not run; with `only` on that machine."""
    machines = machines_of(layout, options)
    if not machines[SWITCH].is_running:
        # Without the switch the others have no network; it cannot be added to them later.
        for machine in machines.values():
            machine.power_off()
    wanted = [machine for name, machine in machines.items() if only in (None, name)]
    booted = [machine for machine in wanted if not machine.is_running]
    _boot(booted, options)
    _plug_in(booted, machines[SWITCH], options)
    plans = plan_exposures(exposed)
    with ThreadPoolExecutor(max_workers=8) as pool:
        list(pool.map(lambda machine: expose(machine, plans), wanted))
        list(pool.map(MUNGED.start, [m for m in wanted if m.name != SWITCH]))
    if only in (None, CONTROLLER):
        if options.accounting:
            start_accounting(machines[CONTROLLER])
        SLURMCTLD.start(machines[CONTROLLER])
    for machine in wanted:
        if machine.name in options.node_names:
            (SLURMD_AT_BOOT if machine in booted else SLURMD).start(machine)


def expose_everywhere(
    layout: ClusterLayout, options: ClusterOptions, exposed: Sequence[Path]
) -> None:
    """Expose in every machine that runs."""
    plans = plan_exposures(exposed)
    for machine in all_machines(layout, options):
        if machine.is_running:
            expose(machine, plans)


def restart_slurm(layout: ClusterLayout, options: ClusterOptions) -> None:
    """Let all daemons of Slurm but slurmdbd read their configuration again; jobs go on."""
    machines = machines_of(layout, options)
    nodes = [machines[name] for name in options.node_names if machines[name].is_running]
    with ThreadPoolExecutor(max_workers=8) as pool:
        list(pool.map(SLURMD.stop, nodes))
        SLURMCTLD.stop(machines[CONTROLLER])
        SLURMCTLD.start(machines[CONTROLLER])
        list(pool.map(SLURMD.start, nodes))


def dismantle(layout: ClusterLayout, options: ClusterOptions) -> None:
    """Stop the controller in good order, then cut the power of everything."""
    machines = machines_of(layout, options)
    daemons = daemons_of(CONTROLLER, options)
    SLURMCTLD.stop(machines[CONTROLLER])
    for name in options.node_names:
        machines[name].power_off()
    for daemon in reversed(daemons):
        daemon.stop(machines[CONTROLLER])
    for machine in reversed(all_machines(layout, options)):
        machine.power_off()


def wait_for_nodes(
    layout: ClusterLayout, options: ClusterOptions, *, only: str | None = None
) -> None:
    """Wait until Slurm can use the nodes; what somebody drained is put back first."""
    controller = machines_of(layout, options)[CONTROLLER]
    names = options.node_names if only is None else (only,)
    resumed: set[str] = set()

    def are_usable() -> bool:
        nodes = {node.name: node for node in read_nodes(controller)}
        for name in names:
            if name in nodes and nodes[name].is_put_aside and name not in resumed:
                controller.run_as_root(
                    ["scontrol", "update", f"nodename={name}", "state=resume"], check=False
                )
                resumed.add(name)
        return all(name in nodes and nodes[name].is_usable for name in names)

    try:
        wait_until(are_usable, timeout_s=_NODES_TIMEOUT_S, what="usable nodes", interval_s=0.05)
    except ClusterError as error:
        said = controller.run_as_root(["sinfo", "-N", "-l"], check=False).stdout
        raise ClusterError(f"{error}; sinfo says:\n{said}") from error


def read_nodes(controller: Machine) -> tuple[NodeStatus, ...]:
    """The compute nodes as Slurm sees them; nothing while slurmctld does not answer."""
    if not controller.pids_of(SLURMCTLD.name):
        return ()
    answer = controller.run_as_root(_SINFO, check=False)
    return parse_nodes(answer.stdout) if answer.returncode == 0 else ()


def read_status(layout: ClusterLayout, options: ClusterOptions) -> ClusterStatus:
    """What runs and what does not."""
    machines = machines_of(layout, options)
    controller = machines[CONTROLLER]
    return ClusterStatus(
        name=options.name,
        state_dir=str(layout.root),
        machines={name: machine.is_running for name, machine in machines.items()},
        daemons={
            f"{daemon.name} on {name}": bool(machine.pids_of(daemon.name))
            for name, machine in machines.items()
            for daemon in daemons_of(name, options)
        },
        nodes=read_nodes(controller),
    )


def _boot(machines: Sequence[Machine], options: ClusterOptions) -> None:
    for machine in machines:
        machine.power_off()  # what a crash may have left
        machine.start_boot(options)
    for machine in machines:
        machine.finish_boot()


def _plug_in(booted: Sequence[Machine], switch: Machine, options: ClusterOptions) -> None:
    addresses = machine_addresses(options)
    if switch in booted:
        set_up_switch(switch.pid)
    for machine in booted:
        if machine.name in addresses:
            plug_in(switch.pid, machine.pid, name=machine.name, address=addresses[machine.name])
