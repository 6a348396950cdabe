"""What the doctor makes of a site's answers: each thing that is wrong is found, and only that."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.jobs import site_answers
from tmgg.experiment_utils.cloud.slurm.config import SlurmConfig
from tmgg.experiment_utils.cloud.slurm.site import site
from tmgg.experiment_utils.cloud.slurm.site.doctor import policies, requests
from tmgg.experiment_utils.cloud.slurm.site.doctor.findings import Finding
from tmgg.experiment_utils.cloud.slurm.site.doctor.node_findings import judge_nodes
from tmgg.experiment_utils.cloud.slurm.site.doctor.node_probe import neighbours_of
from tmgg.experiment_utils.cloud.slurm.site.doctor.survey import make_config

CONFIG = SlurmConfig(nodes=3, cpus_per_task=2, mem_per_cpu="2GB", time_limit="01:00:00")
SITE = site.parse_config(site_answers.CONFIG)
PARTITION = site.parse_records(site_answers.PARTITIONS)[0]
NODES = site.parse_nodes(site_answers.NODES)


def levels(findings: Sequence[Finding]) -> list[str]:
    return [finding.level for finding in findings]


def test_a_config_that_fits_has_no_complaint() -> None:
    findings = [
        *requests.check_partition(CONFIG, PARTITION),
        *requests.check_nodes(CONFIG, "gpu", NODES),
        *policies.check_preemption(CONFIG, PARTITION, SITE, partitions=[PARTITION]),
        *policies.check_accounts(CONFIG, site.parse_table(site_answers.ASSOCIATIONS), SITE),
        *policies.check_site(CONFIG, SITE),
    ]
    assert set(levels(findings)) == {"ok"}


@pytest.mark.parametrize(
    ("partition", "config", "level", "words"),
    [
        ({"State": "DOWN"}, {}, "problem", "is DOWN"),
        ({"State": "DRAIN"}, {}, "problem", "is DRAIN"),
        ({"MaxTime": "00:30:00"}, {}, "problem", "at most 00:30:00"),
        ({"MaxTime": "00:30:00"}, {"time_limit": "UNLIMITED"}, "problem", "at most 00:30:00"),
        ({"MaxTime": "UNLIMITED"}, {"time_limit": "UNLIMITED"}, "ok", "is up"),
        ({"MaxNodes": "2"}, {}, "problem", "at most 2 nodes"),
        ({"MinNodes": "4"}, {}, "problem", "at least 4 nodes"),
        ({"TotalNodes": "2"}, {}, "problem", "has 2 nodes"),
        ({"MaxMemPerCPU": "1000"}, {}, "warning", "at most 1000 MB per CPU"),
        ({"AllowAccounts": "a,b"}, {"account": "c"}, "problem", "admits only slurm_account a, b"),
        # The user's defaults may be among them.
        ({"AllowAccounts": "a,b"}, {}, "warning", "admits only slurm_account a, b"),
        ({"AllowQos": "normal,long"}, {}, "warning", "admits only slurm_qos normal, long"),
        ({"AllowAccounts": "a,b"}, {"account": "b"}, "ok", "is up"),
        ({"DenyAccounts": "b"}, {"account": "b"}, "problem", "does not admit slurm_account b"),
        ({"AllowQos": "long"}, {"qos": "short"}, "problem", "admits only slurm_qos long"),
        ({"AllowGroups": "no-such-group"}, {}, "problem", "admits only the groups"),
    ],
)
def test_limits_of_a_partition_are_found(
    partition: dict[str, str], config: dict[str, Any], level: str, words: str
) -> None:
    (finding,) = requests.check_partition(replace(CONFIG, **config), {**PARTITION, **partition})
    assert finding.level == level
    assert words in finding.text
    assert bool(finding.advice) == (level != "ok")


@pytest.mark.parametrize(
    ("config", "lacking"),
    [
        ({"cpus_per_task": 5}, "4 CPUs"),
        ({"gpus_per_task": 3}, "2 GPUs"),
        ({"gpu_type": "a100"}, "0 a100 GPUs (it has 2 without a model)"),
        ({"mem_per_cpu": "100GB"}, "64000 MB of memory"),
        # Slurm counts the memory for all CPUs of a whole node: 4 x 20 GB do not fit, 2 x 20 would.
        ({"mem_per_cpu": "20GB"}, "4 CPUs come with the whole node"),
    ],
)
def test_nodes_that_lack_something_are_found(config: dict[str, Any], lacking: str) -> None:
    (finding,) = requests.check_nodes(replace(CONFIG, **config), "gpu", NODES)
    assert finding.level == "problem"
    assert "0 of 3" in finding.text
    assert lacking in finding.text


def test_a_shared_node_needs_memory_for_its_own_cpus_only() -> None:
    config = replace(CONFIG, mem_per_cpu="20GB", exclusive=False)
    assert levels(requests.check_nodes(config, "gpu", NODES)) == ["ok"]


@pytest.mark.parametrize("state", ["down", "down*", "drained", "draining", "maint", "idle*"])
def test_nodes_that_are_out_mean_waiting(state: str) -> None:
    nodes = [replace(NODES[0], state=state), *NODES[1:]]
    (finding,) = requests.check_nodes(CONFIG, "gpu", nodes)
    assert finding.level == "warning"
    assert f"node1 {state}" in finding.text


@pytest.mark.parametrize("state", ["idle", "idle~", "mixed", "allocated", "planned", "reserved"])
def test_nodes_that_are_busy_or_asleep_are_not_out(state: str) -> None:
    assert not replace(NODES[0], state=state).is_out


def test_accounts_and_qualities_that_are_not_ones_own_are_found() -> None:
    rows = site.parse_table(site_answers.ASSOCIATIONS)
    (finding,) = policies.check_accounts(replace(CONFIG, account="physics"), rows, SITE)
    assert (finding.level, "research" in finding.text) == ("problem", True)
    (finding,) = policies.check_accounts(replace(CONFIG, qos="huge"), rows, SITE)
    assert (finding.level, "normal, tiny" in finding.text) == ("problem", True)
    assert levels(policies.check_accounts(CONFIG, [], SITE)) == ["problem"]
    assert levels(policies.check_accounts(CONFIG, [], {})) == ["ok"]


def association(**values: str) -> dict[str, str]:
    return {"Cluster": "here", "Account": "own", "Partition": "", "QOS": "normal"} | values


@pytest.mark.parametrize(
    "other",
    [
        association(Cluster="there", MaxWall="00:10:00"),
        association(Account="debug", MaxWall="00:10:00"),
        association(Partition="tiny", MaxWall="00:10:00"),
    ],
)
def test_limits_of_other_clusters_accounts_and_partitions_do_not_count(
    other: dict[str, str],
) -> None:
    here = {**SITE, "ClusterName": "here"}
    rows = [other, association()]
    found = policies.check_accounts(replace(CONFIG, partition="gpu"), rows, here, "own")
    assert levels(found) == ["ok"]


def test_the_limits_of_the_partition_and_account_of_the_job_count() -> None:
    here = {**SITE, "ClusterName": "here"}
    rows = [association(), association(Partition="gpu", MaxWall="00:10:00")]
    found = policies.check_accounts(replace(CONFIG, partition="gpu"), rows, here, "own")
    assert levels(found) == ["ok", "problem"]
    # Which account a job has is not known.
    rows = [association(MaxWall="00:10:00"), association(Account="debug")]
    assert levels(policies.check_accounts(CONFIG, rows, here)) == ["ok"]


def test_limits_of_a_quality_of_service_are_found() -> None:
    rows = site.parse_table(site_answers.QUALITIES)
    found = policies.check_qualities(replace(CONFIG, qos="tiny"), rows, None)
    assert levels(found) == ["problem", "warning", "warning"]
    assert "at most 1 cpu" in found[0].text
    assert "the job asks for 6" in found[0].text
    assert "set another slurm_qos" in found[0].advice
    assert "allows 2 jobs in the queue" in found[1].text
    assert policies.check_qualities(CONFIG, rows, "normal") == []


@pytest.mark.parametrize(
    ("row", "words"),
    [
        ({"MaxWall": "00:10:00"}, "at most 00:10:00"),
        ({"MaxTRES": "node=2"}, "at most 2 node"),
        ({"GrpTRES": "cpu=100,gres/gpu=2"}, "at most 2 gres/gpu"),
    ],
)
def test_limits_of_an_account_are_found(row: dict[str, str], words: str) -> None:
    (finding,) = policies.check_limits(CONFIG, "account", row)
    assert finding.level == "problem"
    assert finding.advice in (
        "Lower slurm_time_limit.", "Ask for less, or set another slurm_account."
    )  # fmt: skip
    assert words in finding.text


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"AccountingStorageType": "accounting_storage/none"}, "is off"),
        ({"EnforcePartLimits": "NO"}, "wait for ever"),
        ({"ProctrackType": "proctrack/linuxproc"}, "does not end processes"),
        ({"JobRequeue": "0"}, "not started again"),
    ],
)
def test_settings_of_the_site_that_matter_are_reported(change: dict[str, str], words: str) -> None:
    found = policies.check_site(CONFIG, {**SITE, **change})
    warnings = [finding for finding in found if finding.level == "warning"]
    assert [words in finding.text for finding in warnings] == [True]


def test_without_accounts_a_short_memory_is_reported() -> None:
    settings = {"AccountingStorageType": "accounting_storage/none", "MinJobAge": "2 sec"}
    texts = [finding.text for finding in policies.check_site(CONFIG, {**SITE, **settings})]
    assert any("forgets finished jobs after 2 s" in text for text in texts)


@pytest.mark.parametrize(
    ("mode", "requeue", "level", "words"),
    [
        ("OFF", None, "ok", "not preempted"),
        ("REQUEUE", None, "warning", "are then requeued"),
        ("REQUEUE", False, "warning", "are then lost"),
        ("CANCEL", True, "warning", "are then lost"),
    ],
)
def test_preemption_is_reported(mode: str, requeue: bool | None, level: str, words: str) -> None:
    partition = {**PARTITION, "PreemptMode": mode}
    higher = {**PARTITION, "PriorityTier": "20"}
    config = replace(CONFIG, requeue=requeue)
    (finding,) = policies.check_preemption(config, partition, SITE, partitions=[partition, higher])
    assert (finding.level, words in finding.text) == (level, True)


@pytest.mark.parametrize(
    ("tiers", "settings", "mode"),
    [
        (("10", "10"), {}, ""),
        (("10", "20"), {}, "REQUEUE"),
        (("20", "10"), {}, ""),
        ((None, "10"), {}, "REQUEUE"),
        (("10", "10"), {"PreemptType": "preempt/qos"}, "REQUEUE"),
    ],
)
def test_only_a_partition_of_a_higher_tier_preempts_by_partition(
    tiers: tuple[str | None, str], settings: dict[str, str], mode: str
) -> None:
    rows = [
        {"PreemptMode": "REQUEUE", **({} if tier is None else {"PriorityTier": tier})}
        for tier in tiers
    ]
    assert site.preemption(rows[0], rows, {**SITE, **settings}) == mode


@pytest.mark.parametrize(
    ("gres", "gpus"),
    [
        ("gpu:2", {"": 2}),
        ("gpu", {"": 1}),
        ("gpu:a100:4(S:0-1)", {"a100": 4}),
        ("gpu:a100:2(S:0,1),gpu:v100:1,mps:400", {"a100": 2, "v100": 1}),
        ("(null)", {}),
        ("", {}),
    ],
)
def test_gpus_are_counted_by_model(gres: str, gpus: dict[str, int]) -> None:
    assert site.parse_gpus(gres) == gpus


@pytest.mark.parametrize(
    ("cpus", "count"), [("128", 128), ("1K", 1024), ("1.50K", 1536), ("64+", 64), ("2K+", 2048)]
)
def test_a_node_with_many_cpus_is_read(cpus: str, count: int) -> None:
    (node,) = site.parse_nodes(f"big|{cpus}|6000000+|gpu:8|idle|(null)\n")
    assert (node.cpus, node.memory_mb) == (count, 6000000)


def test_a_node_that_cannot_be_read_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    assert site.parse_nodes("odd|many|64000|gpu:2|idle|(null)\n") == []
    assert "odd|many" in caplog.text


@given(st.text())
def test_any_answer_of_the_site_is_read_without_a_traceback(text: str) -> None:
    site.parse_records(text)
    site.parse_config(text)
    site.parse_table(text)
    site.parse_nodes(text)
    site.parse_gpus(text)
    site.parse_memory_mb(text)
    site.parse_time_limit_s(text)
    site.parse_resources(text)


def note(number: int, **change: Any) -> dict[str, Any]:
    return {
        "number": number,
        "host": f"node{number + 1}",
        "address": f"10.0.0.{number + 1}",
        "address_trouble": None,
        "name_resolves_to": f"10.0.0.{number + 1}",
        "resolve_s": 0.001,
        "ports": {"10002": None, "6379": None},
        "interpreter": "/env/bin/python",
        "python": "3.11.2",
        "tmgg": "0.1.0",
        "saw_nonce": True,
        "clock_offset_s": 0.01,
        "tmp_free_mb": 5000,
        "ray": {"version": "2.60.0", "import_s": 1.5},
        "gpus": {"visible": 1, "driver": True, "wanted": ["libcuda.so.1"]},
    } | change


LINKS = [{"host": f"node{number}", "tried": 4, "failed": []} for number in (1, 2, 3)]


def test_nodes_that_are_well_have_no_complaint() -> None:
    found = judge_nodes(CONFIG, [note(0), note(1), note(2)], LINKS, step_words="")
    assert set(levels(found)) == {"ok"}


@pytest.mark.parametrize(
    ("change", "check", "level", "words"),
    [
        ({"saw_nonce": False}, "shared folder", "problem", "node3 cannot read"),
        ({"python": "3.12.1"}, "interpreter", "problem", "differs"),
        ({"ray": {"trouble": "Ray is not installed"}}, "Ray", "problem", "not installed"),
        ({"ray": {"version": "2.55.0", "import_s": 1}}, "Ray", "problem", "2.55.0, 2.60.0"),
        ({"ray": {"version": "2.60.0", "import_s": 90}}, "Ray", "warning", "90.0 s"),
        ({"gpus": {"visible": 0, "driver": True}}, "GPUs", "problem", "visible on node3"),
        (
            {"gpus": {"visible": 1, "driver": False, "wanted": ["libcuda.so.1"]}},
            "GPUs",
            "warning",
            "libcuda",
        ),
        ({"address_trouble": "no route"}, "head address", "problem", "no route"),
        ({"resolve_s": 9.0}, "name server", "warning", "node3"),
        ({"ports": {"6379": "in use"}}, "ports", "problem", "node3: 6379"),
        ({"ports": {"10002": "in use"}}, "ports", "warning", "node3: 10002"),
        ({"clock_offset_s": 300.0}, "clocks", "warning", "300 s"),
        ({"tmp_free_mb": 3}, "/tmp", "warning", "node3"),
    ],
)
def test_what_is_wrong_with_a_node_is_found(
    change: dict[str, Any], check: str, level: str, words: str
) -> None:
    found = judge_nodes(CONFIG, [note(0), note(1), note(2, **change)], LINKS, step_words="")
    (complaint,) = [finding for finding in found if finding.level != "ok"]
    assert (complaint.check, complaint.level) == (check, level)
    assert words in complaint.text
    assert complaint.advice


@pytest.mark.parametrize(
    ("options", "head_port", "ports", "needs_ray"),
    [
        ({}, 6379, [10002, 15000, 19999], True),
        ({"exclusive": False}, None, [20000, 25999, 31999], True),
        ({"exclusive": False, "ray_port": 7000}, 7000, [20000, 25999, 31999], True),
        ({"tasks_per_node": 2}, None, [20000, 25999, 31999], False),
        ({"nodes": 1, "ray_bootstrap": "none"}, None, [], False),
        ({"sweep_mode": "packed"}, None, [20000, 25999, 31999], True),
    ],
)
def test_the_ports_are_tried_that_the_jobs_use(
    options: dict[str, Any], head_port: int | None, ports: list[int], needs_ray: bool
) -> None:
    plan = make_config(replace(CONFIG, **options), "nonce")["survey"]
    assert (plan["head_port"], plan["worker_ports"]) == (head_port, ports)
    assert plan["needs_ray"] is needs_ray


@pytest.mark.parametrize("options", [{"exclusive": False}, {"tasks_per_node": 2}])
def test_a_port_that_is_taken_is_no_problem_where_jobs_take_others(options: dict[str, Any]) -> None:
    busy = note(2, ports={"20000": "in use"})
    found = judge_nodes(replace(CONFIG, **options), [note(0), note(1), busy], LINKS, step_words="")
    (complaint,) = [finding for finding in found if finding.level != "ok"]
    assert (complaint.check, complaint.level) == ("ports", "warning")


def test_a_node_without_a_report_is_found_with_what_srun_said() -> None:
    found = judge_nodes(CONFIG, [note(0), note(1)], LINKS, step_words="execve(): No such file")
    assert found[0].level == "problem"
    assert "1 of 3 nodes left no report. execve(): No such file" in found[0].text


def test_connections_that_fail_are_named_with_their_ports() -> None:
    failed = {"to": "node1", "address": "10.0.0.1", "port": 6379, "error": "timed out"}
    links = [*LINKS[:2], {"host": "node3", "tried": 4, "failed": [failed]}]
    found = judge_nodes(CONFIG, [note(0), note(1), note(2)], links, step_words="")
    (complaint,) = [finding for finding in found if finding.level != "ok"]
    assert complaint.check == "connections"
    assert "1 of 12 failed: node3 to node1 (10.0.0.1) port 6379: timed out" in complaint.text


@given(count=st.integers(1, 60))
def test_every_node_is_tried_by_others_and_all_try_the_head(count: int) -> None:
    numbers = list(range(count))
    tried = {number: neighbours_of(number, numbers) for number in numbers}
    assert all(number not in targets for number, targets in tried.items())
    assert all(0 in targets for number, targets in tried.items() if number != 0)
    if count > 1:
        assert set.union(*tried.values()) == set(numbers)
    assert max(len(targets) for targets in tried.values()) <= max(15, 5)
