"""What a Slurm run may ask for: one table of names, defaults, meaning and limits.

Field `x` is the launcher key `hydra.launcher.slurm_x`. Everything is validated here, once, before
anything is submitted; the rest of the code trusts a `SlurmConfig`.
"""

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, get_args

from tmgg.errors import ConfigError
from tmgg.experiment_utils.cloud import checks
from tmgg.experiment_utils.cloud.options import parse_options
from tmgg.experiment_utils.cloud.runs import SweepMode
from tmgg.experiment_utils.cloud.slurm.request import fields
from tmgg.experiment_utils.cloud.slurm.request.extra_args import (
    check_extra_args,
    check_given_once,
    option_list,
)
from tmgg.experiment_utils.cloud.slurm.request.gpu_request import GpuRequest, check_gpu_request
from tmgg.experiment_utils.cloud.slurm.request.memory import MemoryRequest
from tmgg.experiment_utils.cloud.slurm.request.names import COMMAND, PATTERNS
from tmgg.experiment_utils.cloud.slurm.request.ranks import LARGEST_COUNT, check_ranks

RayBootstrap = Literal["auto", "symmetric-run", "managed", "none"]
GpuBinding = Literal["auto", "node", "task"]
Requeue = bool | Literal["expedite"]

AUTOMATIC = "auto"
"""As `partition`: the partition in which the job would start first."""
RAY_MIN_WORKER_PORT = 10002
RAY_MAX_WORKER_PORT = 19999
RAY_PORT = 6379
_PORTS = ("ray_port", "min_worker_port", "max_worker_port", "min_job_port", "max_job_port")
SIGNAL_LEAD_S = 120
LEAST_SIGNALLED_S = 600


@dataclass(frozen=True, kw_only=True, slots=True)
class SlurmConfig:
    """One job's resources, environment and bookkeeping. Raises ConfigError for invalid values."""

    partition: str | None = "gpu"
    """Partition to submit to; a comma-separated list lets Slurm choose the earliest. With None the
    site chooses. With `auto`, TMGG asks Slurm when the launch begins, and takes the partition in
    which the job would start first."""
    nodes: int = 4
    """Nodes to allocate."""
    cpus_per_task: int = 8
    """CPUs per node (one task runs on each node); with `tasks_per_node`, CPUs per rank."""
    gpus_per_task: int = 1
    """GPUs per node; 0 for none. With `tasks_per_node`, GPUs per rank."""
    time_limit: str = "08:00:00"
    """Job time limit: HH:MM:SS, D-HH:MM:SS, any other of Slurm's forms, or UNLIMITED."""
    mem_per_cpu: str | None = "4GB"
    """Memory per CPU: a number with K, M, G or T (B may follow); megabytes without a letter. With
    None the site's default counts. This default is not used if `mem_per_node` or `mem_per_gpu` is
    set."""
    setup_commands: tuple[str, ...] = ()
    """Shell commands that prepare the environment on the first node; its variables reach all nodes.
    A command that fails ends the job; append `|| true` to a command that may fail."""

    mem_per_node: str | None = None
    """Memory on each node, instead of `mem_per_cpu`, for example `64GB`; 0 is all that the node
    has."""
    mem_per_gpu: str | None = None
    """Memory for each GPU, instead of `mem_per_cpu`, for example `32GB`."""

    tasks_per_node: int | None = None
    """Ranks on each node: the experiment runs in `nodes * tasks_per_node` processes, which find
    each other by Slurm's variables and torchrun's. 1 is one rank on each node. None is a single
    process, for any number of nodes; it sees no Slurm step."""
    gpu_binding: GpuBinding = "auto"
    """Which GPUs a rank sees. With `node` it sees all GPUs that its job has on the node, and
    LOCAL_RANK is the number of its own, as under torchrun. With `task` it sees only its own. `auto`
    is `node` if each rank has one GPU, and `task` if it has several."""

    clusters: str | None = None
    """Name of the cluster, if a site has several clusters behind one login (sbatch's --clusters).
    None is the cluster of this machine."""
    account: str | None = None
    """Account to charge; None is the user's default."""
    qos: str | None = None
    """Quality of service; None is the default."""
    constraint: str | None = None
    """Node features, for example `a100&nvlink`."""
    reservation: str | None = None
    """Reservation to run in."""
    nodelist: str | None = None
    """Nodes that must be part of the allocation, for example `node[1-3]`."""
    exclude: str | None = None
    """Nodes that must not be part of the allocation."""
    gpu_request: GpuRequest = "task"
    """Which option of sbatch asks for the GPUs of `gpus_per_task`: `task` is --gpus-per-task,
    `node` is --gpus-per-node, `gres` is --gres=gpu, `job` is --gpus, for one node only. With `none`
    no option asks for them; use it if the job has the GPUs anyway, for example at sites with whole
    nodes only."""
    gpu_type: str | None = None
    """GPU model as the site names it in gres (`a100`); None takes any."""
    exclusive: bool = True
    """Take whole nodes. symmetric-run cannot share a node with another Ray; the managed bootstrap
    can."""
    requeue: Requeue | None = None
    """Whether Slurm may restart the job after a node failure or preemption; None is the site's
    default. `expedite` also puts the restarted job at the front of the queue (Slurm 25.11 or
    newer)."""
    max_restarts: int = 100
    """How often the job may begin again after a time limit, a preemption or a lost node; 0 with
    `requeue=false`."""
    signal_lead_s: int | None = None
    """How long before its time limit the run is asked to stop, in seconds; Slurm may be up to a
    minute earlier. An experiment that checks for this saves its state, and the job goes back into
    the queue. None is 120 if the time limit is 10 minutes or more, else off; 0 is off."""
    stop_signal: str | None = None
    """Signal for an experiment that does not import TMGG, for example `USR1`. Its process (with
    ranks, each of them) gets the signal when the run is asked to stop, if it has a handler for it.
    None sends no signal."""
    idle_gpu_minutes: float | None = None
    """End a run whose GPUs all were idle for this many minutes; it has then failed (`idle_gpu`).
    Its log warns after half of this time. With None this is off."""
    no_kill: bool = False
    """Go on with the remaining nodes when a node other than the first dies (managed bootstrap).
    Otherwise the whole job ends, and begins again if it may be requeued."""
    dependency: str | None = None
    """Jobs to wait for, for example `afterok:123`."""
    mail_user: str | None = None
    """Address for Slurm's mails."""
    mail_type: str | None = None
    """When to mail, for example `END,FAIL`."""
    job_name: str = "tmgg-experiment"
    """Name in squeue."""
    extra_args: tuple[str, ...] = ()
    """Further sbatch options, one per item, for example `--licenses=matlab`. Options that have a
    field of their own, or that would break TMGG's bookkeeping, are refused."""
    sbatch_options: Mapping[str, str | int | bool | None] | None = field(default=None, hash=False)
    """Further sbatch options by name, for example `{licenses: matlab, contiguous: true}`; so one
    file can add options to those of another. true is an option without a value, null leaves an
    option out. None is no options. To add to the options of a file on a command line, write a `+`
    before the key."""

    output_dir: str = "slurm_outputs"
    """Folder of logs and records, on the file system that all nodes share; relative to the working
    directory."""
    poll_interval_s: float = 30.0
    """Longest time between two questions to the scheduler while waiting, in seconds. Ends are still
    seen at once, through the shared folder."""
    python: str | None = None
    """Interpreter on the nodes: a path, relative to the working directory, or a command's name.
    None is the interpreter that the setup commands put first, else the one that submits."""
    script_template: str | None = None
    """Path of a job-script template to use instead of the built-in one."""

    ray_bootstrap: RayBootstrap = "auto"
    """How Ray starts on the nodes: `symmetric-run` is Ray's own command; `managed` is TMGG's
    supervisor, which shares nodes with other jobs and starts and ends faster; `auto` is
    symmetric-run if the job has whole nodes, managed if it shares nodes, and no Ray with
    `tasks_per_node`; `none` runs the experiment without Ray, on one node or as ranks. With
    `tasks_per_node`, `managed` starts Ray beside the ranks."""
    ray_port: int = RAY_PORT
    """Port of Ray's head (GCS). The managed bootstrap takes it if it is free and not the default;
    otherwise one among the job ports."""
    min_worker_port: int = RAY_MIN_WORKER_PORT
    """First port of Ray's worker processes. The managed bootstrap takes this range if it is not
    the default and has room; otherwise one among the job ports."""
    max_worker_port: int = RAY_MAX_WORKER_PORT
    """Last port of Ray's worker processes."""
    min_job_port: int = 20000
    """First of the ports among which the managed bootstrap, and a job of ranks, gives each job its
    own."""
    max_job_port: int = 31999
    """Last of the ports among which the managed bootstrap gives each job its own; those after it
    are usually the kernel's, for outgoing connections."""
    network_interface: str | None = None
    """Network interface for Ray and for collective communication, for example `ib0` (managed
    bootstrap); None is the interface by which Slurm reaches the nodes."""
    object_store_memory_mb: int | None = None
    """Size of Ray's object store on each node, in megabytes of the job's memory (managed
    bootstrap); None is 30 %."""
    node_scratch: str = "/tmp"
    """Folder on each node's own disk for Ray's sockets, logs and spilled objects. It may contain
    variables of the job, for example /local/$SLURM_JOB_ID. At most 20 bytes, because the kernel
    limits the names of sockets."""
    ray_start_timeout_s: float = 300.0
    """How long the nodes may take to join Ray (managed bootstrap), or the ranks to find each other,
    before the job gives up, in seconds. With an environment on a slow file system, many nodes need
    minutes."""

    sweep_mode: SweepMode = "separate"
    """How the runs of a sweep are submitted: `separate` is one sbatch each; `array` is one for as
    many as the site's limits allow, as elements of job arrays; `packed` is one for all, as parts of
    one job that starts Ray once (see `runs_per_node`)."""
    runs_per_node: int | None = None
    """How many runs of a packed sweep are on each node at once. Each has its part of the node's
    CPUs and GPUs; this may be a fraction of a GPU. None is one run for each GPU, or for each CPU if
    there are no GPUs."""

    submit_timeout_s: float = 300.0
    """How long TMGG tries to submit to a controller that does not answer, in seconds."""
    lost_grace_s: float = 60.0
    """How long TMGG waits for a job that no source knows, or for a missing result, before the run
    counts as lost, in seconds. It covers the delays of NFS and of the accounting database."""

    def __post_init__(self) -> None:
        # YAML and JSON have lists; a frozen config holds tuples.
        for name in ("setup_commands", "extra_args"):
            object.__setattr__(self, name, checks.text_list(name, getattr(self, name)))
        for name in ("nodes", "cpus_per_task"):
            checks.integer(name, getattr(self, name), least=1, most=LARGEST_COUNT)
        checks.integer("gpus_per_task", self.gpus_per_task, least=0, most=LARGEST_COUNT)
        for name in self._given("runs_per_node", "tasks_per_node"):
            checks.integer(name, getattr(self, name), least=1, most=LARGEST_COUNT)
        if self.object_store_memory_mb is not None:
            checks.integer(
                "object_store_memory_mb", self.object_store_memory_mb, least=80, most=10_000_000
            )
        for name in _PORTS:
            checks.integer(name, getattr(self, name), least=1024, most=65535)
        for name in ("poll_interval_s", "submit_timeout_s", "lost_grace_s", "ray_start_timeout_s"):
            checks.positive(name, getattr(self, name))
        for name in ("exclusive", "no_kill"):
            checks.boolean(name, getattr(self, name))
        if self.requeue not in (None, "expedite") and not isinstance(self.requeue, bool):
            raise ConfigError(f"requeue={self.requeue!r} must be true or false, or expedite")
        checks.integer("max_restarts", self.max_restarts, least=0, most=LARGEST_COUNT)
        fields.time_limit("time_limit", self.time_limit)
        self._check_signal()
        if self.stop_signal is not None:
            checks.stop_signal("stop_signal", self.stop_signal)
        if self.idle_gpu_minutes is not None:
            checks.minutes("idle_gpu_minutes", self.idle_gpu_minutes)
        self._check_resources()
        for name in self._given(*PATTERNS):
            checks.matching(name, getattr(self, name), PATTERNS[name])
        checks.one_of("sweep_mode", self.sweep_mode, get_args(SweepMode))
        checks.one_of("ray_bootstrap", self.ray_bootstrap, get_args(RayBootstrap))
        checks.one_of("gpu_binding", self.gpu_binding, get_args(GpuBinding))
        check_gpu_request(
            self.gpu_request,
            gpu_type=self.gpu_type,
            gpu_binding=self.gpu_binding,
            nodes=self.nodes,
        )
        if self.tasks_per_node is not None:
            check_ranks(
                self.tasks_per_node,
                nodes=self.nodes,
                ray_bootstrap=self.ray_bootstrap,
                sweep_mode=self.sweep_mode,
                no_kill=self.no_kill,
            )
        checks.printable("job_name", self.job_name)
        for name in self._given("output_dir", "python", "script_template"):
            checks.path(name, getattr(self, name))
        fields.port_ranges(
            head=self.ray_port,
            workers=(self.min_worker_port, self.max_worker_port),
            job=(self.min_job_port, self.max_job_port),
        )
        if self.no_kill and self.resolved_ray_bootstrap != "managed":
            raise ConfigError(
                f"no_kill=True needs ray_bootstrap=managed; it is {self.resolved_ray_bootstrap!r}, "
                "which cannot go on without a node"
            )
        fields.setup_commands("setup_commands", self.setup_commands)
        fields.scratch_folder("node_scratch", self.node_scratch)
        check_extra_args("extra_args", self.extra_args)
        options = {} if self.sbatch_options is None else self.sbatch_options
        named = option_list("sbatch_options", options)
        check_given_once({"extra_args": self.extra_args, "sbatch_options": named})
        object.__setattr__(self, "sbatch_options", dict(options))
        self._check_python()
        if "\\" in self.output_dir:
            raise ConfigError(
                f"output_dir={self.output_dir!r} must have no backslash: Slurm treats backslashes "
                "in paths specially"
            )

    def _given(self, *names: str) -> list[str]:
        """The names of the fields to check: a field that is None and may be None is left out."""
        return [
            name for name in names if getattr(self, name) is not None or name not in _MAY_BE_NONE
        ]

    def _check_resources(self) -> None:
        checks.one_of("gpu_request", self.gpu_request, get_args(GpuRequest))
        for name in ("mem_per_cpu", "mem_per_node", "mem_per_gpu"):
            object.__setattr__(self, name, fields.memory_text(getattr(self, name)))
        default = str(_DEFAULTS["mem_per_cpu"])
        asks_for_gpus = self.gpus_per_task > 0 and self.gpu_request != "none"
        counted = self.memory.check(default_per_cpu=default, asks_for_gpus=asks_for_gpus)
        object.__setattr__(self, "mem_per_cpu", counted.per_cpu)

    def _check_signal(self) -> None:
        if self.signal_lead_s is None:
            return
        checks.integer("signal_lead_s", self.signal_lead_s, least=0, most=LARGEST_COUNT)
        limit_s = self.time_limit_s
        if limit_s is not None and 2 * self.signal_lead_s > limit_s:
            raise ConfigError(
                f"signal_lead_s={self.signal_lead_s} is more than half of "
                f"time_limit={self.time_limit!r}; the job would be asked to stop too early"
            )

    @property
    def resolved_ray_bootstrap(self) -> Literal["symmetric-run", "managed", "none"]:
        """How Ray starts, with `auto` resolved."""
        if self.ray_bootstrap == "auto" and self.tasks_per_node is not None:
            return "none"
        if self.ray_bootstrap == "auto":
            return "symmetric-run" if self.exclusive else "managed"
        return self.ray_bootstrap

    @property
    def needs_token(self) -> bool:
        """Whether processes of the job must prove to each other that they belong to it."""
        return self.resolved_ray_bootstrap != "none" or self.tasks_per_node is not None

    @property
    def memory(self) -> MemoryRequest:
        """How memory is asked for."""
        return MemoryRequest(
            per_cpu=self.mem_per_cpu, per_node=self.mem_per_node, per_gpu=self.mem_per_gpu
        )

    @property
    def partitions(self) -> list[str]:
        """Names of the partitions asked for; empty if the site chooses."""
        return self.partition.split(",") if self.partition is not None else []

    @property
    def extra_options(self) -> tuple[str, ...]:
        """`extra_args` and `sbatch_options` as arguments of sbatch."""
        return (*self.extra_args, *option_list("sbatch_options", self.sbatch_options))

    @property
    def ranks(self) -> int:
        """How many processes of the experiment there are."""
        return 1 if self.tasks_per_node is None else self.nodes * self.tasks_per_node

    @property
    def cpus_per_node(self) -> int:
        return self.cpus_per_task * (self.tasks_per_node or 1)

    @property
    def gpus_per_node(self) -> int:
        return self.gpus_per_task * (self.tasks_per_node or 1)

    @property
    def sees_all_gpus_of_node(self) -> bool:
        """Whether a rank sees the other ranks' GPUs on its node, with `auto` resolved."""
        if self.gpu_binding == "auto":
            return self.gpus_per_task == 1 or self.gpu_request == "none"
        return self.gpu_binding == "node"

    @property
    def resolved_signal_lead_s(self) -> int:
        """How many seconds before its time limit the job is asked to stop; 0 means never."""
        if self.signal_lead_s is not None:
            return self.signal_lead_s
        limit_s = self.time_limit_s
        return SIGNAL_LEAD_S if limit_s is None or limit_s >= LEAST_SIGNALLED_S else 0

    @property
    def restarts(self) -> int:
        """How often the job may begin again."""
        return 0 if self.requeue is False else self.max_restarts

    def _check_python(self) -> None:
        if self.python is None:
            return
        if "/" not in self.python:
            checks.matching("python", self.python, COMMAND)
        if ":" in self.python:
            raise ConfigError(
                f"python={self.python!r} must have no ':': its folder is put on PATH, where ':' "
                "separates folders. Give another path."
            )

    @property
    def time_limit_s(self) -> int | None:
        """The time limit in seconds; None when unlimited."""
        return fields.parse_time_limit_s(self.time_limit)

    @classmethod
    def from_mapping(cls, options: Mapping[str, Any]) -> "SlurmConfig":
        """From plain options. An unknown key raises ConfigError, which lists the known keys."""
        return parse_options(cls, options, what="Slurm")

    def to_json(self) -> dict[str, Any]:
        """As plain values, for the record."""
        return dataclasses.asdict(self)


_DEFAULTS = {item.name: item.default for item in dataclasses.fields(SlurmConfig)}
_MAY_BE_NONE = {
    "partition", "mem_per_cpu", *(name for name, default in _DEFAULTS.items() if default is None),
}  # fmt: skip
