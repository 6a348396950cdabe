"""The command line: `python3 -m slurm_cluster up|down|status|run|...`."""

import argparse
import contextlib
import os
import signal
import sys
from collections.abc import Callable, Mapping, Sequence

from slurm_cluster.arguments import make_parser, parse_options
from slurm_cluster.cluster import Cluster
from slurm_cluster.errors import ClusterError, NoClusterError
from slurm_cluster.options import parse_setting
from slurm_cluster.packages import install_missing, unusable_reason
from slurm_cluster.status import render_status


def main(arguments: Sequence[str]) -> int:
    """Run one command. Returns its exit code: 0 for success, 1 for failure, 2 for wrong usage.

    The reason of a failure is on stderr. `run` returns the exit code of what it runs.
    """
    parsed = make_parser().parse_args(arguments)
    try:
        if parsed.verb in _ACTIONS:
            return _ACTIONS[parsed.verb](parsed)
        _CHANGES[parsed.verb](_find(parsed), parsed)
        return 0
    except ClusterError as error:
        print(f"slurm_cluster: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("slurm_cluster: interrupted; `up` goes on, `down` ends it", file=sys.stderr)
        return 130


def _up(parsed: argparse.Namespace) -> int:
    cluster = Cluster(parse_options(parsed))
    cluster.up(expose=parsed.expose)
    print(render_status(cluster.status()))
    return 0


def _down(parsed: argparse.Namespace) -> int:
    with contextlib.suppress(NoClusterError):
        _find(parsed).down(purge=parsed.purge)
    return 0


def _status(parsed: argparse.Namespace) -> int:
    status = _find(parsed).status()
    print(status.to_json() if parsed.json else render_status(status))
    return 0 if status.is_up else 1


def _run(parsed: argparse.Namespace) -> int:
    terminal = {"TERM": os.environ["TERM"]} if "TERM" in os.environ else {}
    process = _find(parsed).popen(
        parsed.command,
        user=parsed.user,
        machine=parsed.node,
        cwd=parsed.cwd,
        env=terminal,
        stdin=None,
        own_group=False,
    )
    # Ctrl-C reaches the command, which shares our terminal; this process returns its exit code.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    code = process.wait()
    return code if code >= 0 else 128 - code


def _install(parsed: argparse.Namespace) -> int:
    reason = unusable_reason()
    if reason is not None:
        raise ClusterError(reason)
    installed = install_missing(parsed.release)
    print(f"installed: {' '.join(installed)}" if installed else "nothing is missing")
    return 0


def _find(parsed: argparse.Namespace) -> Cluster:
    return Cluster.find(parsed.name, parsed.state_dir)


_ACTIONS: Mapping[str, Callable[[argparse.Namespace], int]] = {
    "up": _up,
    "down": _down,
    "status": _status,
    "run": _run,
    "install": _install,
}
"""Commands that return an exit code; some print something."""

_CHANGES: Mapping[str, Callable[[Cluster, argparse.Namespace], None]] = {
    "expose": lambda cluster, parsed: cluster.expose(*parsed.paths),
    "reconfigure": lambda cluster, parsed: cluster.reconfigure(
        **dict(parse_setting(text) for text in parsed.set)
    ),
    "power-off": lambda cluster, parsed: cluster.power_off(parsed.machine, silent=parsed.silent),
    "power-on": lambda cluster, parsed: cluster.power_on(parsed.machine),
    "stop": lambda cluster, parsed: cluster.stop_daemon(parsed.daemon, machine=parsed.node),
    "start": lambda cluster, parsed: cluster.start_daemon(parsed.daemon, machine=parsed.node),
    "pause": lambda cluster, parsed: cluster.pause_daemon(parsed.daemon, machine=parsed.node),
    "resume": lambda cluster, parsed: cluster.resume_daemon(parsed.daemon, machine=parsed.node),
    "unplug": lambda cluster, parsed: cluster.unplug(parsed.machine),
    "plug": lambda cluster, parsed: cluster.plug(parsed.machine),
}
"""Commands that change a cluster and print nothing."""
