"""The order in which the parts of a cluster start, restart and stop."""

import time
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from slurm_cluster.accounting import start_accounting
from slurm_cluster.addresses import CONTROLLER, LOGIN, SWITCH, machine_addresses, network_of
from slurm_cluster.daemons import MUNGED, SLURMCTLD, SLURMD, SLURMD_AT_BOOT, daemons_of
from slurm_cluster.exposure import expose, plan_exposures
from slurm_cluster.layout import ClusterLayout
from slurm_cluster.machine import Machine
from slurm_cluster.network import plug_in, set_up_switch
from slurm_cluster.options import ClusterOptions
from slurm_cluster.readiness import wait_for_nodes
from slurm_cluster.releases import root_of


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
    """Boot what is off, start the daemons that do not run, wait until Slurm can use the nodes.

    With `only`, just that node is started.
    """
    machines = machines_of(layout, options)
    if not machines[SWITCH].is_complete:
        # Without the switch the others have no network; it cannot be added to them later.
        for machine in machines.values():
            machine.power_off()
    wanted = [machine for name, machine in machines.items() if only in (None, name)]
    booted = [machine for machine in wanted if not machine.is_complete]
    _boot(booted, options)
    _plug_in(booted, machines[SWITCH], options)
    plans = plan_exposures(exposed, root_of(options.release))
    with ThreadPoolExecutor(max_workers=8) as pool:
        list(pool.map(lambda machine: expose(machine, plans), wanted))
        list(pool.map(MUNGED.start, [m for m in wanted if m.name != SWITCH]))
    if only is None:
        if options.accounting:
            start_accounting(machines[CONTROLLER], options)
        SLURMCTLD.start(machines[CONTROLLER])
    nodes = [machine for machine in wanted if machine.name in options.node_names]
    _start_slurmds(nodes, booted, machines[CONTROLLER])


def expose_everywhere(
    layout: ClusterLayout, options: ClusterOptions, exposed: Sequence[Path]
) -> None:
    """Expose the folders in every machine that runs."""
    plans = plan_exposures(exposed, root_of(options.release))
    for machine in all_machines(layout, options):
        if machine.is_running:
            expose(machine, plans)


def restart_slurm(layout: ClusterLayout, options: ClusterOptions) -> None:
    """Let slurmctld and all slurmd read their configuration again; jobs go on."""
    machines = machines_of(layout, options)
    nodes = [machines[name] for name in options.node_names if machines[name].is_running]
    with ThreadPoolExecutor(max_workers=8) as pool:
        list(pool.map(SLURMD.stop, nodes))
    SLURMCTLD.stop(machines[CONTROLLER])
    SLURMCTLD.start(machines[CONTROLLER])
    _start_slurmds(nodes, [], machines[CONTROLLER])


def dismantle(layout: ClusterLayout, options: ClusterOptions) -> None:
    """Stop the daemons of the controller in order, and power all machines off."""
    machines = machines_of(layout, options)
    daemons = daemons_of(CONTROLLER, options)
    SLURMCTLD.stop(machines[CONTROLLER])
    for name in options.node_names:
        machines[name].power_off()
    for daemon in reversed(daemons):
        daemon.stop(machines[CONTROLLER])
    for machine in reversed(all_machines(layout, options)):
        machine.power_off()


def _boot(machines: Sequence[Machine], options: ClusterOptions) -> None:
    for machine in machines:
        machine.power_off()  # what an interrupted start may have left
        machine.start_boot(options)
    for machine in machines:
        machine.finish_boot()


def _plug_in(booted: Sequence[Machine], switch: Machine, options: ClusterOptions) -> None:
    addresses = machine_addresses(options)
    if switch in booted:
        set_up_switch(switch.pid, network_of(options))
    for machine in booted:
        if machine.name in addresses:
            plug_in(
                switch.pid, machine.pid, name=machine.name,
                address=addresses[machine.name], network=network_of(options),
            )  # fmt: skip
        machine.layout.connected.touch()


def _start_slurmds(
    nodes: Sequence[Machine], booted: Sequence[Machine], controller: Machine
) -> None:
    """Start slurmd where it does not run, and wait until Slurm can use all `nodes`."""
    idle = [node for node in nodes if not node.pids_of(SLURMD.name)]
    since = int(time.time())
    with ThreadPoolExecutor(max_workers=8) as pool:
        list(pool.map(lambda n: (SLURMD_AT_BOOT if n in booted else SLURMD).start(n), idle))
    started = {node.name: since for node in idle}
    if controller.pids_of(SLURMCTLD.name):  # a user or a test may have stopped it on purpose
        wait_for_nodes(controller, {node.name: started.get(node.name, 0) for node in nodes})
