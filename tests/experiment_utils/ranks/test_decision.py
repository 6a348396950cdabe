"""Which rank's end is the run's."""

from typing import Any

import pytest

from tmgg.experiment_utils.cloud.judging.diagnosis import diagnose_output
from tmgg.experiment_utils.ranks.decision import RankEnd, as_output, decide
from tmgg.experiment_utils.run_folder.task import TaskOutput, Worker

WORKERS = [Worker(rank=0, node="node1"), Worker(rank=1, node="node2")]
PEER = "[gloo/transport/tcp/pair.cc:538] Connection closed by peer [10.99.0.11]:9"


def end(
    rank: int, status: str | None = "completed", *, code: int | None = 0, **more: Any
) -> RankEnd:
    told = more.pop("told_to_end", False)
    host = f"node{rank + 1}"
    output = None
    if status is not None:
        output = TaskOutput(run_id="r", status=status, hostname=host, **more)  # type: ignore[arg-type]
    return RankEnd(rank=rank, node=host, code=code, output=output, told_to_end=told)


def failed(rank: int, kind: str, message: str, **more: Any) -> RankEnd:
    return end(rank, "failed", code=1, error_type=kind, error_message=message, stage="run", **more)


GOOD = end(0)
CAUSE = failed(1, "ValueError", "purple")
ECHO = failed(0, "RuntimeError", PEER)
STOPPED = end(0, "stopped", code=85)
KILLED = end(1, None, code=-9)


@pytest.mark.parametrize(
    ("ends", "expected"),
    [
        ([end(1), GOOD], GOOD),
        ([GOOD, CAUSE], CAUSE),
        ([ECHO, CAUSE], CAUSE),
        ([ECHO, KILLED], KILLED),
        ([ECHO], ECHO),
        ([failed(0, "ray.exceptions.ActorDiedError", "The actor died unexpectedly"), CAUSE], CAUSE),
        ([end(1, "stopped", code=85), STOPPED], STOPPED),
        ([STOPPED, failed(1, "RuntimeError", PEER)], STOPPED),
        ([STOPPED, CAUSE], CAUSE),
        ([CAUSE, end(0, None, code=-15, told_to_end=True)], CAUSE),
        ([CAUSE, end(0, "stopped", code=85, told_to_end=True)], CAUSE),
        ([end(1)], None),
        ([], None),
    ],
)
def test_the_end_that_counts(ends: list[RankEnd], expected: RankEnd | None) -> None:
    assert decide(ends) == expected


def output_of(found: RankEnd, **more: Any) -> TaskOutput:
    return as_output(found, run_id="r", world_size=2, workers=WORKERS, **more)


def test_a_ranks_exception_is_reported_as_itself_and_says_where() -> None:
    failure = diagnose_output(output_of(CAUSE))
    assert failure.kind == "user_error"
    assert "rank 1 of 2 on node2 raised ValueError: purple" in failure.message


@pytest.mark.parametrize(
    ("code", "kind", "words"),
    [
        (-9, "user_error", "rank 1 of 2 on node2 was killed by SIGKILL"),
        (
            0,
            "user_error",
            "rank 1 of 2 on node2 ended with exit code 0 before its task had returned",
        ),
        (None, "node_fail", "rank 1 of 2 on node2 is gone, and so is its supervisor"),
    ],
)
def test_a_rank_that_died_without_a_word(code: int | None, kind: str, words: str) -> None:
    failure = diagnose_output(output_of(end(1, None, code=code), log_end="Fatal: stack smashed"))
    assert failure.kind == kind
    assert failure.message.startswith(words)
    assert "Fatal: stack smashed" in failure.message


def test_a_good_result_is_rank_0s_and_names_all_ranks() -> None:
    found = output_of(end(0, metrics={"loss": 1.0}))
    assert (found.status, found.metrics, found.rank) == ("completed", {"loss": 1.0}, None)
    assert found.workers == WORKERS
