"""The hub, in rank 0's supervisor: waits for all ranks and their ends, writes the run's result."""

import shutil
import sys
from collections.abc import Callable
from dataclasses import replace

from tmgg.errors import RecordError
from tmgg.experiment_utils.cloud.judging.diagnosis import LATE_RANK
from tmgg.experiment_utils.files.atomic_file import JsonDict
from tmgg.experiment_utils.files.leaving import leave
from tmgg.experiment_utils.files.looking import listing, look_anew
from tmgg.experiment_utils.files.trust import OWNER_ONLY_FOLDER, read_json
from tmgg.experiment_utils.job import job_exit_codes
from tmgg.experiment_utils.job.execute import publish
from tmgg.experiment_utils.ranks import decision, lost_node
from tmgg.experiment_utils.ranks.absent_ranks import AbsentRanks
from tmgg.experiment_utils.ranks.lobby import Guest, Lobby
from tmgg.experiment_utils.ranks.options import RankOptions
from tmgg.experiment_utils.ranks.returned import ReturnedRanks
from tmgg.experiment_utils.ray_cluster import addresses, head_address_file, ports, slurm_facts
from tmgg.experiment_utils.ray_cluster.channel import Message
from tmgg.experiment_utils.ray_cluster.head_address import head_address
from tmgg.experiment_utils.ray_cluster.loop import Loop
from tmgg.experiment_utils.run_folder.attempts import fill_attempt
from tmgg.experiment_utils.run_folder.batch_index import fill_run_folder
from tmgg.experiment_utils.run_folder.evidence_token import token_to_leave
from tmgg.experiment_utils.run_folder.paths import SubmissionPaths
from tmgg.experiment_utils.run_folder.rank_paths import hub_file, rank_folder
from tmgg.experiment_utils.run_folder.starts import is_superseded
from tmgg.experiment_utils.run_folder.task import TaskOutput, Worker

SETTLE_S = 1.0
"""The wait after the first report of a failure: the rank that failed first may report later."""
GIVE_UP_S = 6.5
"""How long the hub waits for the other ranks after it has ordered them to end."""
STOP_GRACE_S = 60.0
"""How long the others may go on after rank 0 has stopped with the run's state saved."""
_LOOK_AGAIN_S, _LOOKS = 0.1, 50
_LOG_BYTES, _LOG_LINES = 16_384, 30
_INTERRUPTED = 143
_BLOCK_WORKERS = 1


class Hub:
    """Calls `on_over` with the job's exit code when the run's result is written."""

    def __init__(
        self, options: RankOptions, loop: Loop, secret: bytes, on_over: Callable[[int], None]
    ) -> None:
        self._options = options
        self._loop = loop
        self._secret = secret
        self._on_over = on_over
        self._guests: dict[int, Guest] = {}
        self._ends: list[decision.RankEnd] = []
        self._heard: set[int] = set()
        self._returned = ReturnedRanks(
            loop, world_size=options.rank.world_size, on_over=self._finish
        )
        self._absent = AbsentRanks(
            loop,
            options,
            connected=lambda: None if self._started or self._over else self._guests,
            on_absent=self._end_absent,
        )
        self._block: ports.Block | None = None
        self._address = ""
        self._started = False
        self._ending = False
        self._interrupted = False
        self._waits_for_slurm = False
        self._slurm_had_its_turn = False
        self._over = False

    @property
    def _run(self) -> SubmissionPaths:
        paths = self._options.paths
        return SubmissionPaths(paths.run_paths, paths.number)

    @property
    def _all_heard(self) -> bool:
        return len(self._heard) == self._options.rank.world_size

    def open(self) -> None:
        """Listen, and publish the address. Raises OSError and PortsTakenError."""
        fill_run_folder(self._run)
        fill_attempt(self._run)
        self._clear()
        self._address = self._own_address()
        self._block = ports.claim_block(
            ports.PortWishes(range=self._options.ports),
            seed=int(self._options.job_id),
            workers=_BLOCK_WORKERS,
        )
        listener = self._block.listener
        Lobby(
            self._loop,
            listener,
            self._secret,
            on_join=self._joined,
            on_message=self._on_message,
            on_leave=self._left,
        )
        port = int(listener.getsockname()[1])
        head_address_file.publish(
            hub_file(self._run), (self._address, port), start=self._options.start
        )
        self._absent.look()

    def interrupted(self, *, finish_after_s: float) -> None:
        """The job got SIGTERM, from Slurm or a user."""
        self._interrupted = True
        is_over = not self._started or self._waits_for_slurm
        self._loop.after(0.0 if is_over else finish_after_s, self._finish)

    def too_late(self) -> None:
        """Take ranks that have not connected by now for dead, and end the run."""
        if not self._started:
            missing = set(range(self._options.rank.world_size)) - self._guests.keys()
            seconds = self._options.start_timeout_s
            names = ", ".join(map(str, sorted(missing)[:10]))
            late = f"its supervisor did not connect within {seconds:g} s"
            _notice(f"rank {names} did not begin: {late} (slurm_ray_start_timeout_s)")
            self._end_absent(min(missing), "?", decision.Absence(LATE_RANK, late))

    def _end_absent(self, rank: int, node: str, absence: decision.Absence) -> None:
        self._end_of(rank, node, code=None, absence=absence)
        self._finish()

    def _clear(self) -> None:
        """Remove files of earlier starts of this job, so that they are not taken for this one's."""
        world_size = self._options.rank.world_size
        for rank in range(world_size):
            folder = rank_folder(self._run, rank)
            folder.mkdir(mode=OWNER_ONLY_FOLDER, parents=True, exist_ok=True)
            for left in folder.iterdir():
                if left.name != "log":
                    left.unlink()

    def _own_address(self) -> str:
        if self._options.interface is not None:
            return addresses.address_of_interface(self._options.interface)
        launch = self._options.launch_address
        if launch and addresses.is_own(launch):
            return launch
        return head_address(slurm_facts.expand_node_names(self._options.nodelist))

    def _joined(self, guest: Guest) -> None:
        assert guest.rank is not None
        self._guests[guest.rank] = guest
        if len(self._guests) == self._options.rank.world_size and not self._over:
            self._started = True
            order = {
                "order": "start",
                "address": self._address,
                "port": self._free_port(),
                "nodes": self._nodes(),
            }
            self._tell_all(order)

    def _free_port(self) -> int:
        """A port that is free now, of this job's block, which no other job of TMGG uses."""
        assert self._block is not None
        for port in range(self._block.first + 1, self._block.last + 1):
            if ports.is_free(port):
                return port
        raise OSError(f"ports {self._block.first} to {self._block.last} are in use on this node")

    def _nodes(self) -> list[JsonDict]:
        options = self._options
        local = options.rank.local_world_size
        names = [self._guests[rank].node for rank in range(0, options.rank.world_size, local)]
        part = {"cpus": options.cpus * local, "gpus": options.gpus * local}
        return [{"hostname": name, "address": "", **part} for name in names]

    def _on_message(self, guest: Guest, message: Message) -> None:
        if guest.rank is None:
            return
        if message.get("event") == "ended":
            self._ended(guest, int(message["code"]), spoke=bool(message.get("spoke")), look=0)
        elif message.get("event") == "returned":
            self._returned.add(guest.rank, guest.node)
            self._returned.bound_exits(self._heard)
            if guest.rank == 0 and message["code"] == job_exit_codes.STOPPED:
                self._loop.after(STOP_GRACE_S, self._end_others)

    def _ended(self, guest: Guest, code: int, *, spoke: bool, look: int) -> None:
        """Note a rank's end. Its result may appear on this node only after a moment."""
        assert guest.rank is not None
        output = self._read(guest.rank) if spoke else None
        if spoke and output is None and look < _LOOKS:
            self._loop.after(
                _LOOK_AGAIN_S, lambda: self._ended(guest, code, spoke=True, look=look + 1)
            )
            return
        self._end_of(guest.rank, guest.node, code=code, output=output)

    def _read(self, rank: int) -> TaskOutput | None:
        path = rank_folder(self._run, rank) / "result.json"
        look_anew(path.parent)
        try:
            found = read_json(path)
            return None if found is None else TaskOutput.from_json(found, what=str(path))
        except (OSError, RecordError):
            return None

    def _left(self, guest: Guest) -> None:
        if guest.rank is not None and guest.rank not in self._heard:
            output = self._read(guest.rank) if guest.rank in self._returned else None
            self._end_of(guest.rank, guest.node, code=None, output=output)

    def _end_of(
        self,
        rank: int,
        node: str,
        *,
        code: int | None,
        output: TaskOutput | None = None,
        absence: decision.Absence | None = None,
    ) -> None:
        if rank in self._heard or self._over:
            return
        self._heard.add(rank)
        end = decision.RankEnd(
            rank=rank,
            node=node,
            code=code,
            output=output,
            told_to_end=self._ending and rank not in self._returned,
            absence=absence,
        )
        self._ends.append(end)
        if self._all_heard:
            self._finish()
        elif end.has_failed:
            self._loop.after(SETTLE_S, self._end_others)
        elif rank == 0 and end.status == "stopped":
            self._loop.after(STOP_GRACE_S, self._end_others)
        self._returned.bound_exits(self._heard)

    def _end_others(self) -> None:
        if not self._ending and not self._over:
            self._ending = True
            self._tell_all({"order": "end"})
            self._loop.after(GIVE_UP_S, self._finish)

    def _finish(self) -> None:
        if self._over:
            return
        self._ends += (ends := self._returned.ends(self._heard, self._read))
        self._heard.update(end.rank for end in ends)
        if not self._interrupted and self._is_slurms_turn():
            return
        self._over = True
        code = self._publish()
        self._tell_all({"order": "stop"})
        if not is_superseded(self._run, self._options.restart):
            hub_file(self._run).unlink(missing_ok=True)
        self._on_over(code)

    def _is_slurms_turn(self) -> bool:
        """Whether a node is lost, so that Slurm will end this start of the job and restart it."""
        end, options = decision.decide(self._ends), self._options
        if self._slurm_had_its_turn or self._waits_for_slurm or end is None:
            return self._waits_for_slurm
        may_restart = options.restart < options.max_restarts
        if end.code is not None or end.absence is not None or not may_restart:
            return False
        if end.node in ("?", options.node):
            return False
        if lost_node.answers(job_id=options.job_id, node=end.node):
            return False
        self._waits_for_slurm = True
        patience_s = lost_node.patience_s()
        _notice(f"{end.node} does not answer; Slurm has {patience_s:g} s to begin the job again")
        self._loop.after(patience_s, self._end_slurms_turn)
        return True

    def _end_slurms_turn(self) -> None:
        self._waits_for_slurm, self._slurm_had_its_turn = False, True
        self._finish()

    def _publish(self) -> int:
        end = decision.decide(self._ends)
        if end is None or (self._interrupted and end.output is None):
            return _INTERRUPTED
        if end.status == "completed" and not self._all_heard:
            return _INTERRUPTED
        world_size = self._options.rank.world_size
        output = decision.as_output(
            end,
            run_id=self._run.run_paths.run_id,
            world_size=world_size,
            workers=self._workers(),
            log_end=_log_end(self._run, end) if end.absence is None else self._absent.last_words(),
        )
        if output.stage == "rank":
            output = replace(
                output,
                submission=self._run.number,
                token=token_to_leave(self._run),
                restart=self._options.restart,
                job_id=self._options.job_id,
            )
        if end.has_failed:
            _notice(f"{decision.name_of(end, world_size)} ended the run: {output.error_message}")
            if end.rank > 0 and end.absence is None:
                _notice(f"its log: {rank_folder(self._run, end.rank) / 'log'}")
        if not is_superseded(self._run, self._options.restart):
            self._bring_returns(end)
        return publish(self._run, output)

    def _workers(self) -> list[Worker]:
        return [Worker(rank=rank, node=guest.node) for rank, guest in sorted(self._guests.items())]

    def _bring_returns(self, end: decision.RankEnd) -> None:
        """Copy the values that the rank returned (`RunContext.returns_dir`) to the run's folder."""
        output = self._run.run_paths.artifacts
        folder = rank_folder(self._run, end.rank)

        def bring() -> None:
            for name in listing(folder):
                if name.endswith(".pkl"):
                    shutil.copy2(folder / name, output / name)

        try:
            leave(bring, output)
        except OSError as error:  # not fatal: the metrics are in the run's result
            _notice(f"what rank {end.rank} returned could not be brought to the run: {error}")

    def _tell_all(self, message: Message) -> None:
        for guest in list(self._guests.values()):
            guest.send(message)


def _notice(text: str) -> None:
    sys.stderr.write(f"tmgg: {text}\n")
    sys.stderr.flush()


def _log_end(run: SubmissionPaths, end: decision.RankEnd) -> str:
    if end.output is not None or end.rank == 0:
        return ""
    try:
        data = (rank_folder(run, end.rank) / "log").read_bytes()[-_LOG_BYTES:]
    except OSError:
        return ""
    return "\n".join(data.decode(errors="replace").splitlines()[-_LOG_LINES:])
