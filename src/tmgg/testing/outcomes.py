"""Tests of a run's outcomes. The runs are made once, as a sweep; each test looks at one of them."""

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from tmgg.experiment_utils.cloud import ExperimentResult, TaskRequest
from tmgg.testing.backend import BackendUnderTest, config

WORD = "日本語 'quoted' \"$HOME\" `touch x` \\ ünï %j"
MEGABYTE = 1 << 20
# Not ASCII, and longer than any command line may be.
LONG_TEXT = "äß日x" * MEGABYTE
MANY = 20_000
PAYLOAD = bytes(range(256)) * 4096

_REQUESTS: dict[str, TaskRequest] = {
    "say": TaskRequest(config=config("say", word=WORD, rate=math.inf)),
    "odd_numbers": TaskRequest(config=config("odd_numbers")),
    "measure": TaskRequest(config=config("measure", text=LONG_TEXT)),
    "many_metrics": TaskRequest(config=config("many_metrics", count=MANY)),
    "context": TaskRequest(config=config("context"), payload=PAYLOAD),
    "fail": TaskRequest(config=config("fail")),
    "late": TaskRequest(config=config("hold", hold_s=300), timeout_seconds=1),
    "leave": TaskRequest(config=config("leave")),
    "die": TaskRequest(config=config("die")),
    "text": TaskRequest(config=config("text")),
    "import_absent": TaskRequest(config=config("import_absent")),
    "no_module": TaskRequest(config={"experiment": {"_target_": "tmgg_no_such_module:run"}}),
    "no_function": TaskRequest(config=config("no_such_function")),
}


def _kind(result: ExperimentResult) -> str:
    assert result.status == "failed"
    assert result.failure is not None
    assert result.failure.message
    assert result.failure.hint
    assert result.metrics == {}
    assert result.failure.message in str(result.error_message)
    return result.failure.kind


class OutcomeTests:
    """Completed runs, and every kind of failure that needs no broken machine."""

    @pytest.fixture(scope="class")
    @classmethod
    def outcomes(cls, backend: BackendUnderTest) -> Mapping[str, ExperimentResult]:
        """The results, by name."""
        results = backend.make_runner().run_sweep([*_REQUESTS.values()], parallelism=4)
        return dict(zip(_REQUESTS, results, strict=True))

    def test_text_of_any_language_arrives(self, outcomes: Mapping[str, ExperimentResult]) -> None:
        result = outcomes["say"]
        assert result.status == "completed", result.error_message
        assert result.metrics == {"length": len(WORD)}
        assert result.config == {**config("say", word=WORD), "rate": math.inf}
        if result.output_path is not None:
            assert WORD in Path(result.output_path).read_text(encoding="utf-8")

    def test_numbers_that_are_none_come_back(
        self, outcomes: Mapping[str, ExperimentResult]
    ) -> None:
        metrics = outcomes["odd_numbers"].metrics
        assert math.isnan(metrics.pop("nan"))
        assert metrics == {"inf": math.inf, "-inf": -math.inf, "tiny": 5e-324, "größe": 2**53 + 1}

    def test_a_config_of_megabytes_arrives(self, outcomes: Mapping[str, ExperimentResult]) -> None:
        result = outcomes["measure"]
        expected = {"length": len(LONG_TEXT), "sum": sum(map(ord, "äß日x")) * MEGABYTE}
        assert result.metrics == expected, result.error_message

    def test_metrics_of_megabytes_come_back(self, outcomes: Mapping[str, ExperimentResult]) -> None:
        metrics = outcomes["many_metrics"].metrics
        assert len(metrics) == MANY, outcomes["many_metrics"].error_message
        assert list(metrics.values()) == [float(number) for number in range(MANY)]

    def test_an_experiment_knows_its_run_and_gets_its_payload(
        self, outcomes: Mapping[str, ExperimentResult]
    ) -> None:
        result = outcomes["context"]
        assert result.metrics == {"attempt": 1, "payload": sum(PAYLOAD)}, result.error_message
        assert result.checkpoint_path == result.run_id

    def test_an_experiment_that_raises_is_a_user_error_with_its_traceback(
        self, outcomes: Mapping[str, ExperimentResult]
    ) -> None:
        assert _kind(outcomes["fail"]) == "user_error"
        assert "ValueError: the loss is purple: ünï" in str(outcomes["fail"].error_message)
        line = 'raise ValueError("the loss is purple: ünï")'
        assert line in str(outcomes["fail"].error_message)

    def test_an_experiment_that_takes_too_long_is_a_timeout(
        self, outcomes: Mapping[str, ExperimentResult]
    ) -> None:
        assert _kind(outcomes["late"]) == "timeout"
        assert "timeout_seconds=1" in str(outcomes["late"].error_message)

    @pytest.mark.parametrize("name", ["import_absent", "no_module", "no_function"])
    def test_a_module_that_is_not_there_is_the_environments_fault(
        self, outcomes: Mapping[str, ExperimentResult], name: str
    ) -> None:
        assert _kind(outcomes[name]) == "environment"

    def test_what_is_no_result_is_a_bad_result(
        self, outcomes: Mapping[str, ExperimentResult]
    ) -> None:
        assert _kind(outcomes["text"]) == "bad_result"
        assert "the loss went down nicely" in str(outcomes["text"].error_message)

    @pytest.mark.parametrize("name", ["leave", "die"])
    def test_a_process_that_ends_by_itself_is_a_failure(
        self, outcomes: Mapping[str, ExperimentResult], name: str
    ) -> None:
        assert _kind(outcomes[name]) in ("user_error", "out_of_memory", "lost")

    def test_every_result_has_the_config_it_was_asked_with(
        self, outcomes: Mapping[str, ExperimentResult]
    ) -> None:
        asked: dict[str, Any] = {name: dict(item.config) for name, item in _REQUESTS.items()}
        assert {name: result.config for name, result in outcomes.items()} == asked
        assert len({result.run_id for result in outcomes.values()}) == len(outcomes)
