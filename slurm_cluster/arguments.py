"""The parser of the command line: commands, options and their help."""

import argparse
from pathlib import Path

from slurm_cluster.addresses import CONTROLLER, LOGIN
from slurm_cluster.options import SHARED_FOLDERS, ClusterOptions, parse_setting
from slurm_cluster.releases import RELEASES
from slurm_cluster.site import site_names
from slurm_cluster.users import PEOPLE, ROOT


class Commands:
    """The parsers of the commands; all have the options that name a cluster."""

    def __init__(self) -> None:
        self.parser = argparse.ArgumentParser(
            prog="slurm_cluster",
            description="A real Slurm cluster of several nodes on this machine.",
        )
        self._commands = self.parser.add_subparsers(dest="verb", required=True, metavar="COMMAND")
        self._common = argparse.ArgumentParser(add_help=False)
        self._common.add_argument("--name", default="default", help="which cluster of this machine")
        self._common.add_argument(
            "--state-dir", type=Path, help="its folder (/var/lib/tmgg-slurm-NAME)"
        )

    def add(self, verb: str, words: str) -> argparse.ArgumentParser:
        """Add a command; `words` are its help."""
        return self._commands.add_parser(
            verb, parents=[self._common], help=words, description=words
        )


def make_parser() -> argparse.ArgumentParser:
    """The parser for `python3 -m slurm_cluster`; it puts the command's name into `verb`."""
    commands = Commands()
    _add_up(commands)
    down = commands.add("down", "end every process of the cluster")
    down.add_argument("--purge", action="store_true", help="delete its folder, too")
    status = commands.add("status", "what runs; exit code 0 when all does")
    status.add_argument("--json", action="store_true", help="for programs")
    _add_run(commands)
    install = commands.add(
        "install", "install the Debian packages that a cluster needs; `up` does, too"
    )
    _add_release(install)
    exposing = commands.add("expose", "let all users of the machines read folders of this host")
    exposing.add_argument("paths", nargs="+", type=Path)
    reconfigure = commands.add("reconfigure", "change slurm.conf and restart Slurm")
    reconfigure.add_argument("--set", action="append", required=True, metavar="KEY=VALUE")
    _add_faults(commands)
    return commands.parser


def parse_options(parsed: argparse.Namespace) -> ClusterOptions:
    """The options that were given to `up`. Raises OptionError if they are not valid."""
    return ClusterOptions(
        name=parsed.name,
        state_dir=parsed.state_dir,
        nodes=parsed.nodes,
        cpus=parsed.cpus,
        memory_mb=parsed.memory_mb,
        gpus=parsed.gpus,
        cluster_name=parsed.cluster_name,
        accounting=not parsed.no_accounting,
        constrain_memory=parsed.constrain_memory,
        private_tmp=parsed.private_tmp,
        ipv6=parsed.ipv6,
        hide_processes=not parsed.show_processes,
        slurmd_timeout_s=parsed.slurmd_timeout,
        max_array_size=parsed.max_array_size,
        min_job_age_s=parsed.min_job_age,
        settings=dict(parse_setting(text) for text in parsed.set),
        release=parsed.release,
        shared_folder=parsed.shared_folder,
        site=parsed.site,
    )


def _add_release(command: argparse.ArgumentParser) -> None:
    command.add_argument(
        "--release", choices=RELEASES, help="Debian release whose Slurm to run (the host's own)"
    )


def _add_up(commands: Commands) -> None:
    up = commands.add("up", "start the cluster, or change it as the options say")
    defaults = ClusterOptions()
    for name, default, words in (
        ("--nodes", defaults.nodes, "compute nodes"),
        ("--cpus", defaults.cpus, "CPUs that a node claims"),
        ("--memory-mb", defaults.memory_mb, "memory in MB that a node claims"),
        ("--gpus", defaults.gpus, "fake GPUs of a node"),
        ("--slurmd-timeout", defaults.slurmd_timeout_s, "seconds until a silent node is down"),
        ("--max-array-size", None, "limit of job array indices (Slurm's default is 1001)"),
        ("--min-job-age", None, "seconds that a finished job is remembered (300)"),
    ):
        shown = words if default is None else f"{words} (%(default)s)"
        up.add_argument(name, type=int, default=default, metavar="N", help=shown)
    for name, words in (
        ("--no-accounting", "no slurmdbd and no database: sacct is disabled"),
        ("--constrain-memory", "kill what exceeds its job's memory (cgroup v1 only)"),
        ("--ipv6", "the machines have IPv6 addresses only"),
        ("--private-tmp", "every job has a /tmp of its own (job_container/tmpfs)"),
        ("--show-processes", "let users see each other's processes"),
    ):
        up.add_argument(name, action="store_true", help=words)
    up.add_argument(
        "--cluster-name",
        default=defaults.cluster_name,
        metavar="NAME",
        help="what the cluster calls itself, as long as it exists (%(default)s)",
    )
    _add_release(up)
    up.add_argument(
        "--shared-folder",
        choices=SHARED_FOLDERS,
        default=defaults.shared_folder,
        help="`network`: each machine sees it as an NFS client would (%(default)s)",
    )
    up.add_argument(
        "--site",
        metavar="SITE",
        help="nodes, partitions, accounts and rules of a site: a file, or "
        + ", ".join(site_names()),
    )
    up.add_argument(
        "--set", action="append", default=[], metavar="KEY=VALUE", help="any line of slurm.conf"
    )
    up.add_argument(
        "--expose",
        action="append",
        default=[],
        type=Path,
        metavar="PATH",
        help="folder of this host that all users may read although a folder above is private",
    )


def _add_run(commands: Commands) -> None:
    run = commands.add("run", "run a command in a machine and return its exit code")
    run.add_argument("--user", default="alice", choices=[user.name for user in (*PEOPLE, ROOT)])
    run.add_argument("--node", default=LOGIN, help="login (default), ctl, switch or nodeK")
    run.add_argument("--cwd", help="folder in the machine (default: the user's home)")
    run.add_argument("command", nargs="+", metavar="-- COMMAND")


def _add_faults(commands: Commands) -> None:
    off = commands.add("power-off", "kill everything on a compute node")
    off.add_argument("machine", metavar="nodeK")
    off.add_argument("--silent", action="store_true", help="cut its network first")
    commands.add("power-on", "boot a compute node again").add_argument("machine", metavar="nodeK")
    for verb, words in (
        ("stop", "end a daemon: slurmctld, slurmdbd, slurmd --node node1, ..."),
        ("start", "start a daemon that was ended"),
        ("pause", "let a daemon answer nothing"),
        ("resume", "let a paused daemon go on"),
    ):
        command = commands.add(verb, words)
        command.add_argument("daemon")
        command.add_argument("--node", default=CONTROLLER, help="where it runs (ctl)")
    for verb, words in (
        ("unplug", "cut the network of ctl, login or a node"),
        ("plug", "undo unplug"),
    ):
        commands.add(verb, words).add_argument("machine")
