"""The files of one submission; each is read at most once, when it is needed.

The code that judges a run uses one `SubmissionFiles` from its first question to the verdict, so
that it does not see two versions of one file. To read the files again, make a new one.
"""

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from tmgg.errors import RecordError
from tmgg.experiment_utils.files.atomic_file import JsonDict
from tmgg.experiment_utils.files.looking import expect_folder, is_there, says_nothing
from tmgg.experiment_utils.files.trust import read_json
from tmgg.experiment_utils.run_folder.batch_index import find_member
from tmgg.experiment_utils.run_folder.batches import Member, load_batch
from tmgg.experiment_utils.run_folder.evidence_token import is_of_intent
from tmgg.experiment_utils.run_folder.exit_record import ExitRecord, exit_record_at
from tmgg.experiment_utils.run_folder.ownership import NOBODY, owner_on_record
from tmgg.experiment_utils.run_folder.paths import BatchPaths, SubmissionPaths
from tmgg.experiment_utils.run_folder.sound_records import read_sound, text_in
from tmgg.experiment_utils.run_folder.starts import last_start_on_record
from tmgg.experiment_utils.run_folder.task import TaskOutput


@dataclass(frozen=True, eq=False)
class SubmissionFiles:
    """Every property raises OSError when the file system does not answer."""

    paths: SubmissionPaths

    @cached_property
    def has_folder(self) -> bool:
        """False for a run of a batch whose job has not begun."""
        if is_there(self.paths.folder):
            return True
        expect_folder(self.paths.run_paths.output_dir)
        if self.paths.number > 1 or find_member(self.paths) is None:
            expect_folder(self.paths.folder)
        return False

    @cached_property
    def member(self) -> Member | None:
        """Its place in the batch that it was submitted with; None if it was submitted alone."""
        return None if self._has_intent else find_member(self.paths)

    @cached_property
    def packed_in(self) -> BatchPaths | None:
        """The packed batch whose one job runs it; None if the submission has a job of its own."""
        if self.member is None or load_batch(self.member.batch).kind != "packed":
            return None
        return self.member.batch

    @cached_property
    def submitted(self) -> SubmissionPaths | BatchPaths | None:
        """The submission or batch that was given to the backend; None before that."""
        if self._has_intent:
            return self.paths
        return None if self.member is None or self.member.batch.is_waiting else self.member.batch

    @property
    def intent_folder(self) -> Path | None:
        """The folder with its intent: its own or its batch's; None if it has neither."""
        if self._has_intent:
            return self.paths.folder
        return None if self.member is None else self.member.batch.folder

    @cached_property
    def intent(self) -> JsonDict:
        """Its own intent, else its batch's; empty if there is none. Raises RecordError."""
        own = self._own_intent
        if isinstance(own, RecordError):
            raise own
        if own is None and self.member is not None:
            own = read_json(self.member.batch.intent)
        return own or {}

    @cached_property
    def _own_intent(self) -> JsonDict | RecordError | None:
        """The intent in its folder, or the error if it is damaged; None if there is none."""
        try:
            return read_json(self.paths.intent)
        except RecordError as error:
            return error

    @property
    def _has_intent(self) -> bool:
        return self._own_intent is not None

    @cached_property
    def token(self) -> str | None:
        """The submission's token; None if it was not submitted yet, or its intent is damaged."""
        try:
            return None if self.submitted is None else text_in(self.intent, "token")
        except RecordError:
            return None

    def pin(self) -> None:
        """Read the token before all other files.

        If the run is removed meanwhile and made anew, files of the new run have another token, and
        are not taken for files of this one.
        """
        _ = self.token

    def carry(self, token: str | None) -> bool:
        """Whether evidence with this token is of this submission.

        Raises RecordError if the intent is damaged.
        """
        return is_of_intent(self.intent, token)

    @cached_property
    def _owner(self) -> str:
        return owner_on_record(self.paths)

    @property
    def owner(self) -> str | None:
        """The id of the job that claimed it; None if none has."""
        return self._owner if self._owner not in ("", NOBODY) else None

    @property
    def is_forbidden(self) -> bool:
        """Whether no job can claim it any more."""
        return self._owner == NOBODY

    @cached_property
    def job_id(self) -> str | None:
        """The job that claimed it, else the one noted when it was submitted."""
        return self.owner or text_in(read_sound(self.paths.job) or {}, "job_id")

    @cached_property
    def exit_record(self) -> ExitRecord | None:
        """The submission's exit record; None if there is none, or a damaged one.

        It may be of an earlier start: `read_exit_record` excludes this.
        """
        record = exit_record_at(self.paths.ended)
        return record if record is not None and self.carry(record.token) else None

    @cached_property
    def last_start(self) -> int:
        """The number of the last start that began; 0 if none did. Read it after the evidence."""
        return last_start_on_record(self.paths)

    @cached_property
    def result(self) -> tuple[TaskOutput | None, str | None]:
        """The result in `result.json`, or why it cannot be used; both None without a file."""
        path = self.paths.result
        try:
            value = read_json(path)
            return None if value is None else self._own(value), None
        except RecordError as error:
            return None, str(error)
        except OSError as error:
            if says_nothing(error):
                raise
            return None, f"{path} cannot be read: {error}"

    def are_of(self, output: TaskOutput) -> bool:
        """Whether a result is of this submission."""
        return self._has_name_of(output) and self.carry(output.token)

    def _own(self, value: JsonDict) -> TaskOutput:
        output = TaskOutput.from_json(value, what=str(self.paths.result))
        if not self._has_name_of(output):
            raise RecordError(
                f"the result belongs to run {output.run_id!r}, submission {output.submission}, "
                f"not to {self.paths.run_paths.run_id!r}, submission {self.paths.number}"
            )
        if not self.carry(output.token):
            whose = "no token" if output.token is None else "the token of another submission"
            raise RecordError(
                f"{self.paths.result} has {whose}: another job wrote it, or a TMGG older than the "
                "one that submitted the run"
            )
        return output

    def _has_name_of(self, output: TaskOutput) -> bool:
        mine = (self.paths.run_paths.run_id, self.paths.number)
        return mine == (output.run_id, output.submission)

    @cached_property
    def is_cancelled(self) -> bool:
        """A cancellation was requested."""
        return is_there(self.paths.cancel)

    @cached_property
    def cancel_reason(self) -> str:
        """Why it was cancelled; empty if no reason is on record."""
        if not self.is_cancelled:
            return ""
        why = text_in(read_sound(self.paths.cancel) or {}, "why") or ""
        return "" if why == "cancel" else why

    @cached_property
    def missing(self) -> JsonDict:
        """Since when something is missing; empty if nothing is, or if another run noted it."""
        record = read_sound(self.paths.missing) or {}
        token = text_in(record, "token")  # older TMGG noted none
        return record if token is None or self.carry(token) else {}

    @cached_property
    def first_attempt(self) -> int:
        """See the function of this name."""
        return first_attempt(self.paths)


def first_attempt(paths: SubmissionPaths) -> int:
    """The number of the attempt with which this submission begins.

    It is 1 for the run's first submission. For a later one it follows the last attempt of the
    submission before. A submission without a verdict on record counts as one attempt, or as none
    if it was given up before a job began it. Raises OSError when the file system does not answer.
    """
    if paths.number == 1:
        return 1
    before = paths.run_paths.submission(paths.number - 1)
    last = (read_sound(before.verdict) or {}).get("attempt")
    if isinstance(last, int):
        return max(paths.number, last + 1)
    return first_attempt(before) + (owner_on_record(before) != NOBODY)
