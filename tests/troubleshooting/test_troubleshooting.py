"""docs/troubleshooting.md lists every message a user can meet, and none that there is not."""

import ast
import inspect

import pytest

from tests.troubleshooting import generated
from tests.troubleshooting.messages import (
    GUIDE,
    HOLE,
    Message,
    Row,
    Source,
    missing_rows,
    rows_of_guide,
)
from tmgg.experiment_utils import failures
from tmgg.experiment_utils.failures import FAILURE_KINDS, HINTS

TEXT = GUIDE.read_text()
ROWS = rows_of_guide(TEXT.partition("## Messages")[2].partition("## What the doctor says")[0])
MESSAGES = Source().messages()

# Messages whose words the source does not show, and where they come from.
OPAQUE = {
    "tmgg/experiment_utils/cloud/diagnosis.py": "made of _STAGES and the fixed beginnings, below",
    "tmgg/experiment_utils/cloud/modal/runner.py": "an error of the calls, told again",
    "tmgg/experiment_utils/cloud/local.py:start": "a ConfigError, told again",
    "tmgg/experiment_utils/cloud/polling.py:_ask": "a BackendUnavailableError, told again",
    "tmgg/experiment_utils/cloud/judging.py": "a SubmissionError or RecordError, told again",
    "tmgg/experiment_utils/cloud/dispatch.py": "a SubmissionError, told again",
    "tmgg/experiment_utils/cloud/recorded.py:_start": "a SubmissionError, told again",
    "tmgg/experiment_utils/cloud/slurm/batch_submission.py": "a SubmissionError, told again",
    "tmgg/experiment_utils/cloud/sweeping.py": "another TmggError, told again",
    "tmgg/experiment_utils/cloud/ray_jobs/host.py:main": "a ScratchError, told again",
    "tmgg/experiment_utils/cloud/ray_jobs/host.py:notice": "how Ray's start goes on this machine",
    "tmgg/experiment_utils/cloud/ray_runner.py": "a QueryError, told again",
    "tmgg/experiment_utils/cloud/slurm/client.py:submit": "a QueryError, told again",
    "tmgg/experiment_utils/cloud/slurm/client.py:_sacct": "Slurm's words; accounting is off",
    "tmgg/experiment_utils/cloud/slurm/client.py:ask": "Slurm's words; accounting is off",
    "tmgg/experiment_utils/cloud/slurm/preflight.py:main": "no problem, then nothing is said",
    "tmgg/experiment_utils/cloud/slurm/ray_node/__main__.py:main": "a ScratchError, told again",
    "tmgg/experiment_utils/cloud/slurm/ray_node/node.py:notice": "how Ray's start goes on a node",
    "tmgg/experiment_utils/cloud/slurm/site_queries.py:try_submit": "Slurm's words, in a finding",
    "tmgg/experiment_utils/cloud/slurm/view.py": "a QueryError, told again",
    "tmgg/experiment_utils/compose.py": "Hydra's own words",
    "tmgg/experiment_utils/registry.py": "an UnknownRunError, by a variable",
    "tmgg/hydra_plugins/launcher_options.py:make_runner": "a ConfigError with the launcher's key",
    "job.sh.template": "the argument of a shell function",
}


def test_every_message_is_listed() -> None:
    missing = missing_rows(MESSAGES, ROWS)
    assert not missing, "\n".join(
        [
            "docs/troubleshooting.md lacks rows for these (message, cause, cure):",
            *(f"| `{message.text}` | | |   <- {message.where}" for message in missing),
        ]
    )


def test_every_row_is_a_message_there_is() -> None:
    stale = [row.message for row in ROWS if not any(row.covers(said) for said in MESSAGES)]
    known = {*_BEGINNINGS, *_opaque_texts()}
    assert not [text for text in stale if text.removesuffix(HOLE).strip() not in known]


def test_every_row_has_a_cause_and_a_cure() -> None:
    assert not [row.message for row in ROWS if not row.cause or not row.cure]


def test_a_row_says_enough_to_be_found() -> None:
    short = [row.message for row in ROWS if Message(row.message, "").is_opaque]
    assert not short


def test_every_message_without_words_has_its_reason() -> None:
    opaque = {message.where for message in MESSAGES if message.is_opaque}
    unexplained = {where for where in opaque if not _listed(where)}
    assert not unexplained


def test_no_reason_is_given_for_nothing() -> None:
    opaque = {message.where for message in MESSAGES if message.is_opaque}
    unused = [name for name in OPAQUE if not any(_belongs(where, name) for where in opaque)]
    assert not unused


@pytest.mark.parametrize("kind", FAILURE_KINDS)
def test_every_kind_of_failure_has_its_section_with_its_hint(kind: str) -> None:
    section = TEXT.partition(f"### `{kind}`\n")[2].partition("\n### ")[0]
    assert HINTS[kind] in _quoted(section)  # type: ignore[index]


@pytest.mark.parametrize(
    "name", [name for name, value in vars(failures).items() if name.endswith("_HINT")]
)
def test_every_closer_hint_is_on_the_page(name: str) -> None:
    assert getattr(failures, name) in _quoted(TEXT)


@pytest.mark.parametrize("name", generated.BLOCKS)
def test_the_tables_of_the_programs_own_words_are_up_to_date(name: str) -> None:
    shown = generated.block_of(TEXT, name).strip()
    assert shown == generated.BLOCKS[name](), "run python -m tests.troubleshooting.generated"


def test_the_rows_of_the_specs_troubleshooting_are_there() -> None:
    for symptom in ("pending", "Ray did not come up", "CUDA was not found", "conda activate"):
        assert symptom in TEXT
    for symptom in ("slurm_mem_per_cpu", "slurm_time_limit", "TMGG_RESULT:"):
        assert symptom in TEXT


# The reader of messages is itself tested: it must find, follow and give up where it should.

_SAMPLE = """
FOR_ALL = "a constant of the module"
class TmggError(Exception): ...
class OtherError(TmggError): ...
def words(n):
    if n: return f"made elsewhere {n}"
    return "another way to say it"
def a(x):
    raise TmggError(f"given {x}, expected {x!r}: " "do this")
def b(x):
    text = "put in a variable" if x else "or otherwise"
    raise OtherError(text)
def c(x):
    raise OtherError(words(x))
def d(error):
    raise OtherError(str(error))
def e(x):
    log.warning("%s is odd", x)
def f(x):
    return failure("lost", "gone " + "for ever")
def g(x):
    raise ValueError("not one of ours")
def h(x):
    return failure("lost", "\\n".join([f"first {x}", *x]))
def i():
    raise OtherError(FOR_ALL)
"""


@pytest.fixture
def sample(tmp_path_factory: pytest.TempPathFactory) -> list[Message]:
    folder = tmp_path_factory.mktemp("source")
    (folder / "m.py").write_text(_SAMPLE)
    (folder / "x.sh.template").write_text('tmgg_fail "cannot ${x:-y} at $z" 3\necho "done $(f)"\n')
    return Source(folder).messages()


def test_the_reader_finds_follows_and_admits(sample: list[Message]) -> None:
    assert {message.text for message in sample if not message.is_opaque} == {
        "given …, expected …: do this",
        "put in a variable",
        "or otherwise",
        "made elsewhere …",
        "another way to say it",
        "… is odd",
        "gone for ever",
        "first …",
        "a constant of the module",
        "cannot … at …",
        "done $(f)",
    }
    assert [message.where for message in sample if message.is_opaque] == ["m.py:d"]


def test_a_row_covers_a_message_by_its_beginning() -> None:
    message = Message("given …, expected …: do this", "m.py:a")
    assert Row("given …, expected …", "", "").covers(message)
    assert Row("given …", "", "").covers(message)
    assert not Row("expected …", "", "").covers(message)
    assert not Row("… do this", "", "").covers(message)
    assert Row("data.… is …", "", "").covers(Message("data.n is …; above 0", "m.py:a"))
    assert not Row("data.… is …", "", "").covers(Message("data.n and data.k is …", "m.py:a"))
    assert missing_rows([message], [Row("something else", "", "")]) == [message]


_BEGINNINGS = {
    "The experiment raised",
    "The experiment could not be loaded",
    "The experiment could not reach Ray",
}


def _opaque_texts() -> set[str]:
    """What diagnosis.py says of the stage at which a job stopped."""
    from tmgg.experiment_utils.cloud import diagnosis

    return set(diagnosis._STAGES.values())


def test_what_diagnosis_says_is_listed_too() -> None:
    """Its messages are put together of parts; these are their beginnings."""
    from tmgg.experiment_utils.cloud import diagnosis

    source = inspect.getsource(diagnosis)
    texts = [node.value for node in ast.walk(ast.parse(source)) if isinstance(node, ast.Constant)]
    for beginning in [*_BEGINNINGS, *_opaque_texts()]:
        assert any(isinstance(text, str) and text.startswith(beginning) for text in texts)
        assert any(row.message.startswith(beginning) for row in ROWS), beginning
    said = {text for text in texts if isinstance(text, str) and text.startswith("The experiment ")}
    assert {text.strip() for text in said} - _opaque_texts() == _BEGINNINGS


def _listed(where: str) -> bool:
    return any(_belongs(where, name) for name in OPAQUE)


def _belongs(where: str, name: str) -> bool:
    return where == name or where.startswith(f"{name}:")


def _quoted(text: str) -> str:
    """The text with its block quotes on one line."""
    return " ".join(line.removeprefix("> ").strip() for line in text.splitlines())
