"""A note that something is missing counts for the submission that it was written for."""

import time
from pathlib import Path

import pytest

from tmgg.experiment_utils.cloud.judging.memory import Remembered
from tmgg.experiment_utils.cloud.judging.missing_since import note_missing
from tmgg.experiment_utils.files.atomic_file import write_json
from tmgg.experiment_utils.files.trust import read_json
from tmgg.experiment_utils.run_folder.evidence import read_evidence
from tmgg.experiment_utils.run_folder.paths import RunPaths, SubmissionPaths
from tmgg.experiment_utils.run_folder.submission_files import SubmissionFiles


@pytest.fixture
def submission(tmp_path: Path) -> SubmissionPaths:
    paths = RunPaths(tmp_path, "r").submission(1)
    paths.folder.mkdir(parents=True)
    write_json(paths.intent, {"version": 1, "token": "mine", "evidence_has_token": True})
    return paths


@pytest.mark.parametrize(("token", "counts"), [("mine", True), ("another", False), (None, True)])
def test_a_note_of_another_submission_does_not_shorten_the_wait(
    submission: SubmissionPaths, token: str | None, counts: bool
) -> None:
    note = {"version": 1, "since": time.time() - 1000, "host": None}
    write_json(submission.missing, note if token is None else note | {"token": token})
    assert (
        read_evidence(SubmissionFiles(submission), ended=False).missing_since_s is not None
    ) is counts


def test_the_note_has_the_token(submission: SubmissionPaths) -> None:
    note_missing(Remembered(), SubmissionFiles(submission), missing=True)
    noted = read_json(submission.missing)
    assert noted is not None
    assert noted["token"] == "mine"
