"""A whole cluster: bring it up, take it down, run things on it, break it on purpose."""

import contextlib
import fcntl
import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path, PurePath, PurePosixPath
from typing import IO

from slurm_cluster import assembly
from slurm_cluster.addresses import CONTROLLER, LOGIN, SWITCH
from slurm_cluster.cgroups import require_memory_controller
from slurm_cluster.daemons import find_daemon
from slurm_cluster.entering import MachineProcess, enter
from slurm_cluster.errors import ClusterError, NoClusterError
from slurm_cluster.exposure import plan_exposures
from slurm_cluster.files import make_etc, make_shared_folder, write_slurm_configuration
from slurm_cluster.layout import ClusterLayout, default_root
from slurm_cluster.machine import Machine
from slurm_cluster.network import set_cable
from slurm_cluster.options import ClusterOptions
from slurm_cluster.packages import install_missing, unusable_reason
from slurm_cluster.processes import wait_until
from slurm_cluster.readiness import read_status
from slurm_cluster.releases import root_of
from slurm_cluster.state import SavedState, read_state, write_state
from slurm_cluster.status import ClusterStatus
from slurm_cluster.users import PEOPLE, find_user

_LOCK_TIMEOUT_S = 300


class Cluster:
    """One cluster and its options. The same name means the same cluster, also in another process.

    Methods raise ClusterError if something cannot be done. All need root.
    """

    def __init__(self, options: ClusterOptions) -> None:
        self.options = options
        """The options that `up` puts into force; `reconfigure` changes them."""
        self._layout = ClusterLayout(options.state_dir or default_root(options.name))

    @classmethod
    def find(cls, name: str, state_dir: Path | None = None) -> "Cluster":
        """The cluster as it was last brought up. Raises NoClusterError if it never was."""
        layout = ClusterLayout(state_dir or default_root(name))
        saved = read_state(layout)
        if saved is None:
            raise NoClusterError(f"there is no cluster in {layout.root}; `up` makes one")
        return cls(saved.options)

    @property
    def state_dir(self) -> Path:
        """The one folder that the cluster writes."""
        return self._layout.root

    @property
    def shared(self) -> Path:
        """/shared of the machines, as a path of the host."""
        return self._layout.shared

    def inside(self, path: Path) -> PurePosixPath:
        """How the machines name a path of the host below `shared`."""
        return PurePosixPath("/shared") / path.relative_to(self.shared)

    def home(self, user: str) -> Path:
        """The user's home folder, as a path of the host."""
        return self.shared / find_user(user).home.relative_to("/shared")

    def make_folder(self, *, user: str = "alice", prefix: str = "") -> Path:
        """A new empty folder in the user's home, as a path of the host; the caller removes it."""
        folder = Path(tempfile.mkdtemp(prefix=prefix[:40] + "-", dir=self.home(user)))
        uid = find_user(user).uid
        os.chown(folder, uid, uid)
        return folder

    def machine(self, name: str) -> Machine:
        """The machine called `name`: ctl, login, switch or nodeK."""
        machines = assembly.machines_of(self._layout, self.options)
        if name not in machines:
            raise ClusterError(f"no machine {name!r}; there are {', '.join(machines)}")
        return machines[name]

    def up(self, *, expose: Sequence[Path] = ()) -> None:
        """Start what does not run and change what differs from the options.

        `expose` adds folders of the host that every user of the machines can read, at the same
        path. Raises ClusterError if the options need other machines than a running cluster has.
        """
        reason = unusable_reason()
        if reason is not None:
            raise ClusterError(reason)
        if self.options.constrain_memory:
            require_memory_controller()
        plan_exposures(expose, root_of(self.options.release))
        self._make_state_folder()
        with self._locked():
            is_network = self.options.shared_folder == "network"
            install_missing(self.options.release, network_folder=is_network)
            was_running = self._refuse_fixed_changes()
            if not was_running:
                make_etc(self._layout, root_of(self.options.release))
            make_shared_folder(self._layout)
            changed = write_slurm_configuration(self._layout, self.options)
            self._save(expose)
            assembly.assemble(self._layout, self.options, self._exposed())
            if changed and was_running:
                assembly.restart_slurm(self._layout, self.options)

    def down(self, *, purge: bool = False) -> None:
        """End every process of the cluster, if there is one; `purge` deletes its folder, too."""
        if not self._layout.state.exists():
            return
        with self._locked():
            assembly.dismantle(self._layout, self.options)
        if purge:
            shutil.rmtree(self._layout.root)

    def status(self) -> ClusterStatus:
        """What runs now. It is no error if something does not run."""
        machines = assembly.machines_of(self._layout, self.options)
        return read_status(self.options.name, str(self.state_dir), machines, self.options)

    def expose(self, *paths: Path) -> None:
        """Let every user of the machines read these folders of the host, from now on."""
        plan_exposures(paths, root_of(self.options.release))
        with self._locked():
            self._save(paths)
            assembly.expose_everywhere(self._layout, self.options, self._exposed())

    def popen(
        self,
        argv: Sequence[str],
        *,
        user: str = "alice",
        machine: str = LOGIN,
        cwd: str | PurePath | None = None,
        env: Mapping[str, str] | None = None,
        stdin: int | IO[str] | None = subprocess.DEVNULL,
        stdout: int | IO[str] | None = None,
        stderr: int | IO[str] | None = None,
        own_group: bool = True,
    ) -> MachineProcess:
        """Start `argv` in a machine; `cwd` is the machine's path, by default the user's home.

        `env` is added to the variables of the user's login; the caller's are not inherited.
        With `own_group` the process leads a process group and a session of its own.
        """
        person = find_user(user)
        return enter(
            self.machine(machine).pid,
            argv,
            user=person,
            cwd=str(cwd if cwd is not None else person.home),
            env=env or {},
            stdin=stdin,
            stdout=stdout,
            stderr=stderr,
            own_group=own_group,
        )

    def run(
        self,
        argv: Sequence[str],
        *,
        user: str = "alice",
        machine: str = LOGIN,
        cwd: str | PurePath | None = None,
        env: Mapping[str, str] | None = None,
        stdin: str | None = None,
        timeout_s: float = 60,
        check: bool = False,
    ) -> subprocess.CompletedProcess[str]:
        """Like `subprocess.run` with captured text, in a machine, as a user.

        After `timeout_s` it kills the process group and raises subprocess.TimeoutExpired. With
        `check`, raises ClusterError, with the command's output, if the exit code is not 0.
        """
        process = self.popen(
            argv,
            user=user,
            machine=machine,
            cwd=cwd,
            env=env,
            stdin=subprocess.DEVNULL if stdin is None else subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
        with process:
            try:
                out, err = process.communicate(stdin, timeout=timeout_s)
            except subprocess.TimeoutExpired:
                process.kill_group()
                raise
        if check and process.returncode != 0:
            raise ClusterError(
                f"{machine}: {list(argv)} as {user} ended with {process.returncode}:\n{err}{out}"
            )
        return subprocess.CompletedProcess(list(argv), process.returncode, out, err)

    def cancel_all_jobs(self, *, timeout_s: float = 60) -> None:
        """Cancel all jobs of the users, and wait until Slurm has none of them any more."""
        for person in PEOPLE:
            self.run(["scancel", f"--user={person.name}"], user="root", check=True)
        wait_until(
            lambda: not self.run(["squeue", "--noheader"], user="root", check=True).stdout,
            timeout_s=timeout_s,
            what="the end of all jobs",
            interval_s=0.2,
        )

    def stop_daemon(self, name: str, *, machine: str = CONTROLLER) -> None:
        """End slurmctld, slurmdbd, mariadbd (on ctl), slurmd (on a node) or munged (anywhere)."""
        target = self.machine(machine)
        with self._locked():
            find_daemon(name, machine, self.options).stop(target)

    def start_daemon(self, name: str, *, machine: str = CONTROLLER) -> None:
        """Start what `stop_daemon` ended, and wait until it serves."""
        target = self.machine(machine)
        with self._locked():
            find_daemon(name, machine, self.options).start(target)

    def pause_daemon(self, name: str, *, machine: str = CONTROLLER) -> None:
        """Let a daemon accept connections and answer nothing, until `resume_daemon`."""
        find_daemon(name, machine, self.options).pause(self.machine(machine))

    def resume_daemon(self, name: str, *, machine: str = CONTROLLER) -> None:
        """Let a paused daemon go on."""
        find_daemon(name, machine, self.options).resume(self.machine(machine))

    def unplug(self, machine: str) -> None:
        """Cut the network of ctl, login or a node; its processes go on without a network."""
        self._require_network(machine)
        set_cable(self.machine(SWITCH).pid, name=machine, is_up=False)

    def plug(self, machine: str) -> None:
        """Undo `unplug`."""
        self._require_network(machine)
        set_cable(self.machine(SWITCH).pid, name=machine, is_up=True)

    def power_off(self, node: str, *, silent: bool = False) -> None:
        """Kill everything on a compute node at once.

        By default the kernel closes its connections, as for processes that end. `silent` cuts its
        cable first: other machines notice the end only by timeouts, as in a power failure.
        """
        machine = self._compute_node(node)
        with self._locked():
            if silent and machine.is_running:
                set_cable(self.machine(SWITCH).pid, name=node, is_up=False)
            machine.power_off()

    def power_on(self, node: str) -> None:
        """Boot a compute node with an empty /tmp and wait until Slurm can use it."""
        self._compute_node(node)
        with self._locked():
            assembly.assemble(self._layout, self.options, self._exposed(), only=node)

    def reconfigure(self, **settings: str | None) -> None:
        """Change lines of slurm.conf and restart Slurm; None removes an earlier change of a line.

        Running jobs go on. `up` with the original options undoes the changes.
        """
        merged = dict(self.options.settings)
        merged |= {key: value for key, value in settings.items() if value is not None}
        for key in [key for key, value in settings.items() if value is None]:
            merged.pop(key, None)
        self.options = replace(self.options, settings=merged)
        with self._locked():
            self._save(())
            if write_slurm_configuration(self._layout, self.options):
                assembly.restart_slurm(self._layout, self.options)

    def _require_network(self, machine: str) -> None:
        if machine == SWITCH or not self.machine(machine).is_running:
            raise ClusterError(f"{machine} has no cable that could be unplugged")

    def _compute_node(self, name: str) -> Machine:
        if name not in self.options.node_names:
            known = ", ".join(self.options.node_names)
            raise ClusterError(f"{name!r} is no compute node; there are {known}")
        return self.machine(name)

    def _refuse_fixed_changes(self) -> bool:
        """Whether the cluster runs. Raises ClusterError if options differ that cannot change."""
        saved = read_state(self._layout)
        if saved is None:
            return False
        if saved.options.cluster_name != self.options.cluster_name:
            raise ClusterError(
                f"cluster {self.options.name} was made as {saved.options.cluster_name}, not "
                f"{self.options.cluster_name}; `down --purge` it first, or choose another --name"
            )
        if saved.options.release != self.options.release:
            raise ClusterError(
                f"cluster {self.options.name} was made with the Slurm of "
                f"{saved.options.release or 'the host'}, not of "
                f"{self.options.release or 'the host'}, which cannot go on with its files; "
                "`down --purge` it first, or choose another --name"
            )
        if not any(m.is_running for m in assembly.all_machines(self._layout, saved.options)):
            return False
        different = saved.options.fixed_differences(self.options)
        if different:
            changes = ", ".join(
                f"{name} {getattr(saved.options, name)} -> {getattr(self.options, name)}"
                for name in different
            )
            raise ClusterError(
                f"cluster {self.options.name} runs with other options ({changes}); "
                "take it down first"
            )
        return True

    def _make_state_folder(self) -> None:
        root = self._layout.root
        if root.exists() and any(root.iterdir()) and not self._layout.lock.exists():
            raise ClusterError(f"{root} holds files of somebody else; choose another folder")
        root.mkdir(parents=True, exist_ok=True)

    def _exposed(self) -> tuple[Path, ...]:
        saved = read_state(self._layout)
        return () if saved is None else saved.exposed

    def _save(self, expose: Sequence[Path]) -> None:
        exposed = dict.fromkeys([*self._exposed(), *(path.absolute() for path in expose)])
        exposed_now = tuple(path for path in exposed if path.is_dir())
        write_state(self._layout, SavedState(self.options, exposed_now))

    @contextlib.contextmanager
    def _locked(self) -> Iterator[None]:
        """Hold the lock: one command at a time. Raises ClusterError after _LOCK_TIMEOUT_S."""
        if not self._layout.root.is_dir():
            raise NoClusterError(f"there is no cluster in {self._layout.root}; `up` makes one")
        with self._layout.lock.open("w") as file:
            wait_until(
                lambda: _try_lock(file),
                timeout_s=_LOCK_TIMEOUT_S,
                what=f"another command that holds {self._layout.lock}",
                interval_s=0.1,
            )
            yield


def _try_lock(file: IO[str]) -> bool:
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
