"""The command line: `python3 -m slurm_cluster up|down|status|run|...`."""

import argparse
import contextlib
import os
import signal
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from slurm_cluster.addresses import CONTROLLER, LOGIN
from slurm_cluster.cluster import Cluster
from slurm_cluster.errors import ClusterError, NoClusterError
from slurm_cluster.options import ClusterOptions, parse_setting
from slurm_cluster.packages import install_missing, unusable_reason
from slurm_cluster.status import render_status
from slurm_cluster.users import PEOPLE, ROOT

_Parser = argparse.ArgumentParser


def main(arguments: Sequence[str]) -> int:
    """Exit code: 0 done, 1 not (the reason is on stderr), 2 wrong usage; `run` has its own."""
    parsed = _parser().parse_args(arguments)
    try:
        return int(parsed.act(parsed))
    except ClusterError as error:
        print(f"slurm_cluster: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("slurm_cluster: interrupted; `up` goes on, `down` ends it", file=sys.stderr)
        return 130


def _up(parsed: argparse.Namespace) -> int:
    cluster = Cluster(_options(parsed))
    cluster.up(expose=parsed.expose)
    print(render_status(cluster.status()))
    return 0


def _install(_: argparse.Namespace) -> int:
    reason = unusable_reason()
    if reason is not None:
        raise ClusterError(reason)
    installed = install_missing()
    print(f"installed: {' '.join(installed)}" if installed else "nothing is missing")
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
    # Ctrl-C goes to the command, which shares our terminal; we only pass its end on.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    code = process.wait()
    return code if code >= 0 else 128 - code


def _expose(parsed: argparse.Namespace) -> int:
    _find(parsed).expose(*parsed.paths)
    return 0


def _power_off(parsed: argparse.Namespace) -> int:
    _find(parsed).power_off(parsed.machine, silent=parsed.silent)
    return 0


def _power_on(parsed: argparse.Namespace) -> int:
    _find(parsed).power_on(parsed.machine)
    return 0


def _stop(parsed: argparse.Namespace) -> int:
    _find(parsed).stop_daemon(parsed.daemon, machine=parsed.node)
    return 0


def _start(parsed: argparse.Namespace) -> int:
    _find(parsed).start_daemon(parsed.daemon, machine=parsed.node)
    return 0


def _reconfigure(parsed: argparse.Namespace) -> int:
    _find(parsed).reconfigure(**dict(parse_setting(text) for text in parsed.set))
    return 0


def _find(parsed: argparse.Namespace) -> Cluster:
    return Cluster.find(parsed.name, parsed.state_dir)


def _options(parsed: argparse.Namespace) -> ClusterOptions:
    return ClusterOptions(
        name=parsed.name,
        state_dir=parsed.state_dir,
        nodes=parsed.nodes,
        cpus=parsed.cpus,
        memory_mb=parsed.memory_mb,
        gpus=parsed.gpus,
        accounting=not parsed.no_accounting,
        constrain_memory=parsed.constrain_memory,
        hide_processes=not parsed.show_processes,
        slurmd_timeout_s=parsed.slurmd_timeout,
        max_array_size=parsed.max_array_size,
        min_job_age_s=parsed.min_job_age,
        settings=dict(parse_setting(text) for text in parsed.set),
    )


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="slurm_cluster", description=__doc__)
    common = argparse.ArgumentParser(add_help=False)
    common.add_argument("--name", default="default", help="which cluster of this machine")
    common.add_argument("--state-dir", type=Path, help="its folder (/var/lib/tmgg-slurm-NAME)")
    verbs = parser.add_subparsers(required=True, metavar="COMMAND")

    def verb(name: str, act: Callable[[argparse.Namespace], int], words: str) -> _Parser:
        added = verbs.add_parser(name, parents=[common], help=words, description=words)
        added.set_defaults(act=act)
        return added

    _add_up_options(verb("up", _up, "start the cluster, or change it as the options say"))
    verb("install", _install, "install the Debian packages that a cluster needs; `up` does, too")
    down = verb("down", _down, "end every process of the cluster")
    down.add_argument("--purge", action="store_true", help="delete its folder, too")
    status = verb("status", _status, "what runs; exit code 0 when all does")
    status.add_argument("--json", action="store_true")
    run = verb("run", _run, "run a command in a machine: run --user bob -- srun hostname")
    run.add_argument("--user", default="alice", choices=[user.name for user in (*PEOPLE, ROOT)])
    run.add_argument("--node", default=LOGIN, help="login (default), ctl, switch or nodeK")
    run.add_argument("--cwd", help="folder in the machine (default: the user's home)")
    run.add_argument("command", nargs="+", metavar="-- COMMAND")
    exposing = verb("expose", _expose, "let all users read folders of this machine")
    exposing.add_argument("paths", nargs="+", type=Path)
    off = verb("power-off", _power_off, "kill everything on a compute node")
    off.add_argument("machine", metavar="nodeK")
    off.add_argument("--silent", action="store_true", help="cut its network first")
    on = verb("power-on", _power_on, "boot a compute node again")
    on.add_argument("machine", metavar="nodeK")
    for name, act, words in (("stop", _stop, "end a daemon"), ("start", _start, "start it again")):
        added = verb(name, act, f"{words}: slurmctld, slurmdbd, slurmd --node node1")
        added.add_argument("daemon")
        added.add_argument("--node", default=CONTROLLER)
    reconfigure = verb("reconfigure", _reconfigure, "change slurm.conf and restart Slurm")
    reconfigure.add_argument("--set", action="append", required=True, metavar="KEY=VALUE")
    return parser


def _add_up_options(up: _Parser) -> None:
    defaults = ClusterOptions()
    up.add_argument("--nodes", type=int, default=defaults.nodes, help="compute nodes (%(default)s)")
    up.add_argument("--cpus", type=int, default=defaults.cpus, help="CPUs a node (%(default)s)")
    up.add_argument("--memory-mb", type=int, default=defaults.memory_mb, help="MB a node claims")
    up.add_argument(
        "--gpus", type=int, default=defaults.gpus, help="fake GPUs a node (%(default)s)"
    )
    up.add_argument("--no-accounting", action="store_true", help="no slurmdbd, no sacct")
    up.add_argument("--constrain-memory", action="store_true", help="enforce --mem (cgroup v1)")
    up.add_argument("--show-processes", action="store_true", help="users see each other's")
    up.add_argument("--slurmd-timeout", type=int, default=defaults.slurmd_timeout_s, metavar="S")
    up.add_argument("--max-array-size", type=int, metavar="N")
    up.add_argument("--min-job-age", type=int, metavar="S")
    up.add_argument("--set", action="append", default=[], metavar="KEY=VALUE", help="slurm.conf")
    up.add_argument("--expose", action="append", default=[], type=Path, metavar="PATH")
