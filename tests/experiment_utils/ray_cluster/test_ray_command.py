from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tmgg.experiment_utils.ray_cluster.ports import COMPONENTS, PortPlan
from tmgg.experiment_utils.ray_cluster.ray_command import (
    LEAST_OBJECT_STORE_BYTES,
    Share,
    divide,
    render_environment,
    render_start,
)

GIBIBYTE = 1024**3
PLAN = PortPlan({name: 20001 + n for n, name in enumerate(COMPONENTS)}, (20100, 20199))
SHARE = Share(cpus=2, gpus=1, memory_bytes=700, object_store_bytes=300)


@given(
    memory=st.integers(10**9, 10**13),
    room=st.integers(0, 10**13),
    asked=st.none() | st.integers(80 * 1024**2, 10**12),
)
def test_the_shares_add_up_to_no_more_than_the_jobs_memory(
    memory: int, room: int, asked: int | None
) -> None:
    share = divide(cpus=1, gpus=0, memory_bytes=memory, shared_memory_bytes=room, asked_bytes=asked)
    assert share.object_store_bytes <= max(room, LEAST_OBJECT_STORE_BYTES)
    if asked is None or asked < memory - LEAST_OBJECT_STORE_BYTES:
        assert share.memory_bytes + share.object_store_bytes <= memory


def test_the_object_store_is_three_tenths_unless_asked_otherwise() -> None:
    def store(asked: int | None, room: int = 100 * GIBIBYTE) -> int:
        return divide(
            cpus=1, gpus=0, memory_bytes=10 * GIBIBYTE, shared_memory_bytes=room, asked_bytes=asked
        ).object_store_bytes

    assert store(None) == 3 * GIBIBYTE
    assert store(GIBIBYTE) == GIBIBYTE
    assert store(None, room=GIBIBYTE) == int(0.9 * GIBIBYTE)


def words(head: str | None, *, ray_client: bool = True) -> list[str]:
    return render_start(
        PLAN, SHARE, own_address="10.0.0.1", head_address=head, ray_client=ray_client
    )


def test_every_assigned_port_reaches_ray() -> None:
    text = " ".join(words(None))
    # The two others are told by the environment; Ray has no option for them.
    for name in set(COMPONENTS) - {"dashboard_metrics", "autoscaler_metrics"}:
        assert f"={PLAN.components[name]}" in text, name
    assert "--min-worker-port=20100" in words(None)
    assert "--max-worker-port=20199" in words(None)


@pytest.mark.parametrize("head", [None, "10.0.0.9:20001"])
def test_ray_is_told_the_jobs_share_and_never_counts_itself(head: str | None) -> None:
    for word in ("--num-cpus=2", "--num-gpus=1", "--memory=700", "--object-store-memory=300"):
        assert word in words(head)


def test_only_the_head_has_what_only_a_head_may_have() -> None:
    head_only = ("--head", "--port=", "--dashboard-", "--include-dashboard", "--ray-client")
    joined = words("10.0.0.9:20001")
    assert not [
        word
        for word in joined
        if word.startswith(head_only) and not word.startswith("--dashboard-agent")
    ]
    assert "--address=10.0.0.9:20001" in joined
    assert "--dashboard-host=127.0.0.1" in words(None)
    assert "--include-dashboard=false" in words(None)


def test_a_ray_without_client_is_not_told_its_port() -> None:
    assert not [word for word in words(None, ray_client=False) if "client" in word]


def environment(**inherited: str) -> dict[str, str]:
    return render_environment(
        inherited, scratch=Path("/tmp/tmgg-1"), token=Path("/out/ray_token"), interface="ib0"
    )


def test_nothing_inherited_leads_to_another_cluster_or_shows_a_token() -> None:
    inherited = {"RAY_ADDRESS": "10.0.0.3:6379", "RAY_AUTH_TOKEN": "abc", "KEPT": "1"}
    told = environment(**inherited)
    assert told["KEPT"] == "1"
    assert not told.keys() & {"RAY_ADDRESS", "RAY_AUTH_TOKEN"}
    assert told["RAY_AUTH_MODE"] == "token"
    assert told["RAY_AUTH_TOKEN_PATH"] == "/out/ray_token"


def test_files_stay_in_the_jobs_folder_whatever_was_inherited() -> None:
    told = environment(RAY_TMPDIR="/elsewhere", TMPDIR="/elsewhere")
    assert told["RAY_TMPDIR"] == "/tmp/tmgg-1"
    assert told["TMPDIR"] == "/tmp/tmgg-1/tmp"


def test_what_the_user_set_for_communication_stays() -> None:
    told = environment(NCCL_SOCKET_IFNAME="eth7", RAY_USE_TLS="1")
    assert told["NCCL_SOCKET_IFNAME"] == "eth7"
    assert told["GLOO_SOCKET_IFNAME"] == "ib0"
    assert told["RAY_USE_TLS"] == "1"
