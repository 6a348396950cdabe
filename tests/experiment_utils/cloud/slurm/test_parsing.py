"""Slurm's answers, pasted from a real 22.05 unless said otherwise, as values."""

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from tmgg.errors import QueryError
from tmgg.experiment_utils.cloud.slurm.parsing import (
    ACCOUNTING_FIELDS,
    ACCOUNTING_SEPARATOR,
    QUEUE_FIELDS,
    QueueEntry,
    check_answer,
    parse_accounting,
    parse_cluster,
    parse_elements,
    parse_exit_code,
    parse_key_values,
    parse_queue,
    parse_submitted,
)
from tmgg.experiment_utils.cloud.slurm.view import view_of_account, view_of_queue

HEADER = (
    "JOBID|JOBID|STATE|REASON|RESTARTCNT|EXIT_CODE|START_TIME|NODELIST|SUBMIT_TIME|UID|COMMENT|\n"
)
QUEUE = (
    HEADER
    + """\
1|1|COMPLETED|None|0|0|2026-11-23T22:55:13|node1|2026-11-23T22:55:12|5001|tmgg:aaa|
3|3|FAILED|NonZeroExitCode|0|1792|2026-11-23T22:55:13|node1|2026-11-23T22:55:12|5001|(null)|
5|5|PENDING|BeginTime|0|0|2026-11-23T23:55:13||2026-11-23T22:55:12|5001|a|b|
9|9|PENDING|Resources|2|0|N/A||2026-11-23T22:55:12|5001|(null)|
7|7|FAILED|JobLaunchFailure|1|9|2026-11-23T22:55:13|node[1-2]|2026-11-23T22:55:12|5001|(null)|
1306|1302_2|RUNNING|None|0|0|2026-11-23T22:55:13|node1|2026-11-23T22:55:12|5001|(null)|
"""
)
ACCOUNTS = """\
1^_1^_COMPLETED^_0:0^_0:0^_node1^_2026-11-23T22:55:12^_sbatch --parsable --comment=tmgg:aaa a.sh
1.batch^_1.batch^_COMPLETED^_0:0^_^_node1^_2026-11-23T22:55:12^_
3^_3^_FAILED^_7:0^_0:0^_node1^_2026-11-23T22:55:12^_sbatch b.sh
3.batch^_3.batch^_FAILED^_7:0^_^_node1^_2026-11-23T22:55:12^_
4^_4^_CANCELLED by 5001^_0:0^_0:0^_node1^_2026-11-23T22:55:12^_sbatch c.sh
4.batch^_4.batch^_CANCELLED^_0:15^_^_node1^_2026-11-23T22:55:12^_
1336^_1336^_FAILED^_1:0^_0:125^_node1^_2026-11-23T22:55:12^_sbatch oom.sh
1336.0^_1336.0^_OUT_OF_MEMORY^_0:125^_^_node1^_2026-11-23T22:55:12^_
1302_0^_1304^_RUNNING^_0:0^_0:0^_node1^_2026-11-23T22:55:12^_sbatch --array=0-9 d.sh
1302_[6-9]^_1302^_PENDING^_0:0^_0:0^_None assigned^_2026-11-23T22:55:12^_sbatch --array=0-9 d.sh
""".replace("^_", ACCOUNTING_SEPARATOR)


def test_squeues_answer() -> None:
    first, failed, pending, restarted, killed, element = parse_queue(QUEUE)
    assert first == QueueEntry(
        job_id="1",
        array_id="1",
        state="COMPLETED",
        reason="",
        restarts=0,
        exit_code="0:0",
        start_time="2026-11-23T22:55:13",
        nodes="node1",
        submit_time="2026-11-23T22:55:12",
        user_id=5001,
        comment="tmgg:aaa",
    )
    assert failed.exit_code == "7:0"
    assert (pending.comment, pending.nodes) == ("a|b", "")
    assert (restarted.restarts, restarted.start_time) == (2, "")
    assert killed.exit_code == "0:9"
    assert (element.job_id, element.array_id) == ("1306", "1302_2")


def test_sacctss_answer_with_its_steps_folded_in() -> None:
    entries = {entry.job_id: entry for entry in parse_accounting(ACCOUNTS)}
    assert list(entries) == ["1", "3", "4", "1336", "1302_0", "1302_[6-9]"]
    assert entries["1"].submit_line == "sbatch --parsable --comment=tmgg:aaa a.sh"
    assert entries["3"].step_states == ("FAILED",)
    assert entries["4"].state == "CANCELLED by 5001"
    assert entries["1336"].out_of_memory
    assert not entries["3"].out_of_memory


def test_an_out_of_memory_kill_is_seen_in_the_steps_where_the_job_only_failed() -> None:
    (entry,) = (entry for entry in parse_accounting(ACCOUNTS) if entry.job_id == "1336")
    assert view_of_account(entry).kind == "out_of_memory"


def test_banners_of_login_scripts_are_no_jobs() -> None:
    banner = "*** Welcome | to | our cluster ***\n\nQuota: 3|4|5\n"
    assert parse_queue(banner + QUEUE) == parse_queue(QUEUE)
    assert parse_accounting(banner + ACCOUNTS) == parse_accounting(ACCOUNTS)


@pytest.mark.parametrize(
    ("answer", "job_id"),
    [
        ("82\n", "82"),
        ("82;cluster-1\n", "82"),
        ("Welcome!\n82\n\n", "82"),
        ("  82  \n", "82"),
        ("82\n82\n", "82"),
        ("", None),
        ("Submitted batch job 82\n", None),
        ("sbatch: warning\n", None),
        ("0\n", None),
        ("82 83\n", None),
        ("-82\n", None),
        ("12345678901\n", None),
        # Two numbers: one of them is a banner's, and nobody can tell which.
        ("82\n2026\n", None),
    ],
)
def test_sbatchs_answer_is_one_job_id_or_nothing(answer: str, job_id: str | None) -> None:
    assert parse_submitted(answer) == job_id


def test_scontrols_answer() -> None:
    answer = (
        "JobId=1 JobName=a b=c.sh UserId=alice(5001) JobState=PENDING Reason=Resources "
        "Dependency=(null) CPUs/Task=1 ReqB:S:C:T=0:0:*:* Command=/x/a.sh Comment=tmgg:aaa  "
        "StdErr=/x/slurm 1.out Power= \n"
    )
    found = parse_key_values(answer)
    assert found["JobState"] == "PENDING"
    assert found["CPUs/Task"] == "1"
    assert found["StdErr"] == "/x/slurm 1.out"
    assert found["Power"] == ""
    assert parse_key_values("") == {}


def test_a_path_that_looks_like_a_setting_is_read_whole() -> None:
    script, log = "/home/u/exp lr=0.1/r/job.sh", "/home/u/exp lr=0.1 A=b/r.out"
    answer = (
        f"JobId=1 Account=own Command={script} WorkDir=/home/u/exp lr=0.1 Comment=mine "
        f"StdErr=/dev/null StdIn=/dev/null StdOut={log} MailUser=u MailType=END\n"
    )
    found = parse_key_values(answer)
    assert (found["Command"], found["StdOut"]) == (script, log)
    assert found["WorkDir"] == "/home/u/exp lr=0.1"
    assert (found["Account"], found["Comment"], found["MailType"]) == ("own", "mine", "END")


def test_binary_noise_is_no_answer() -> None:
    with pytest.raises(QueryError, match="squeue answered with binary data"):
        check_answer("1|\0|", command="squeue")


# Anything a broken terminal, a prolog or a proxy may print; cells that look almost right.
cells = st.text(max_size=12) | st.sampled_from(
    ["1", "COMPLETED", "0:125", "N/A", "1792", "12.batch", "12_[1-3%2]", "", " ", "-1", "\u0663"]
)


def joined(separator: str, count: int) -> st.SearchStrategy[str]:
    line = st.lists(cells, min_size=count - 2, max_size=count + 2).map(separator.join)
    return st.lists(line | st.text()).map("\n".join)


@given(st.text() | joined("|", len(QUEUE_FIELDS)), st.booleans())
def test_any_text_from_squeue_is_a_list_of_jobs_whose_state_is_reported_or_no_answer(
    text: str, with_header: bool
) -> None:
    text = f"{HEADER}{text}\n" if with_header else text
    try:
        entries = parse_queue(text)
    except QueryError:
        return
    for entry in entries:
        assert entry.job_id.isascii()
        assert entry.job_id.isdigit()
        view = view_of_queue(entry)
        assert view.phase != "ended" or view.state in text.upper() or "+" in text


@given(st.text() | joined(ACCOUNTING_SEPARATOR, len(ACCOUNTING_FIELDS)))
def test_any_text_from_sacct_is_a_list_of_jobs_whose_state_is_reported(text: str) -> None:
    for entry in parse_accounting(text):
        assert entry.job_id.isascii()
        assert entry.job_id.partition("_")[0].isdigit()
        view_of_account(entry)


@given(st.text() | st.text("0123456789;\n ab"))
@example("\u0661\n")
def test_any_text_from_sbatch_is_a_job_id_or_nothing(text: str) -> None:
    found = parse_submitted(text)
    assert found is None or (found.isascii() and int(found) > 0)


@given(st.text() | st.text("Aa=/: \n"))
def test_any_text_from_scontrol_is_a_mapping(text: str) -> None:
    for key, value in parse_key_values(text).items():
        assert key
        assert key in text
        assert value in text


@given(st.integers(0, 255), st.integers(0, 127))
def test_exit_codes_read_the_same_in_the_form_of_every_release(code: int, signal: int) -> None:
    shown = f"{code}:{signal}"
    assert parse_exit_code(shown) == shown
    assert parse_exit_code(str(code << 8 | signal)) == shown


@given(st.text() | st.integers().map(str))
def test_any_other_exit_code_is_not_known(text: str) -> None:
    found = parse_exit_code(text)
    if found is not None:
        code, signal = found.split(":")
        assert 0 <= int(code) <= 255
        assert 0 <= int(signal) <= 127


@pytest.mark.parametrize("size", range(len(QUEUE) - 1))
def test_an_answer_of_squeue_that_is_cut_is_no_answer(size: int) -> None:
    text = QUEUE[:size]
    if text.endswith("\n") and text.startswith(HEADER):
        # Whole lines: what is missing in them is asked about by itself (see test_view).
        assert len(parse_queue(text)) == text.count("\n") - 1
    else:
        with pytest.raises(QueryError, match="cut"):
            parse_queue(text)


def test_what_is_no_number_is_not_zero_and_said(caplog: pytest.LogCaptureFixture) -> None:
    (entry,) = parse_queue(HEADER + "1|1|RUNNING|None|many|0|N/A|node1|N/A|alice|(null)|\n")
    assert (entry.restarts, entry.user_id) == (None, None)
    assert "restart count of job 1 is not a number: 'many'" in caplog.text


@pytest.mark.parametrize(
    ("text", "user_id"),
    [("3000000000", 3000000000), ("-1294967296", 3000000000), ("-1", 2**32 - 1)],
)
def test_a_large_user_id_is_read_also_where_squeue_prints_it_as_negative(
    text: str, user_id: int, caplog: pytest.LogCaptureFixture
) -> None:
    (entry,) = parse_queue(HEADER + f"1|1|RUNNING|None|0|0|N/A|node1|N/A|{text}|(null)|\n")
    assert entry.user_id == user_id
    assert caplog.text == ""


def test_the_second_line_of_somebodys_comment_is_no_cut_row() -> None:
    rows = "1|1|RUNNING|None|0|0|N/A|node1|N/A|5001|one\ntwo|\n"
    (entry,) = parse_queue(HEADER + rows)
    assert entry.comment == "one"


def test_fields_that_a_release_lacks_are_empty() -> None:
    fields = [name for name in ACCOUNTING_FIELDS if name not in ("SubmitLine", "DerivedExitCode")]
    row = ["7", "7", "FAILED", "1:0", "node1", "2026-11-23T22:55:12"]
    (entry,) = parse_accounting(ACCOUNTING_SEPARATOR.join(row) + "\n", fields)
    assert (entry.submit_line, entry.nodes, entry.submit_time) == ("", "node1", row[-1])


def test_elements_that_wait_are_a_range_with_a_limit() -> None:
    assert parse_elements("4_[2-5%2]") == ["4_2", "4_3", "4_4", "4_5"]


def test_the_clusters_name() -> None:
    assert parse_cluster("AccountingStorageTRES = x\nClusterName             = tmgg\n") == "tmgg"
    assert parse_cluster("ClusterName = (null)\n") is None
    assert parse_cluster("") is None
