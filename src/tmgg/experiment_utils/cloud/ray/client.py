"""The only module that talks to a Ray cluster. It uses Ray's Jobs API and Python's HTTP library.

https://docs.ray.io/en/latest/cluster/running-applications/job-submission/rest.html
"""

import http.client
import json
import logging
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Sequence
from typing import Any

from tmgg.errors import QueryError, SubmissionError, SubmissionUnknownError
from tmgg.experiment_utils.cloud.ray.request import restarted_id
from tmgg.experiment_utils.cloud.runs_on_record.waiting import Clock
from tmgg.experiment_utils.files.atomic_file import JsonDict

log = logging.getLogger(__name__)

ANSWER_WITHIN_S = 20.0
_FIRST_PAUSE_S = 0.2
_LONGEST_PAUSE_S = 5.0
_UNAUTHORISED = (401, 403)
# Answers of a gateway in front of Ray. Ray itself may have got the question.
_OF_A_GATEWAY = (502, 503, 504)
_LOOPBACK = ("127.0.0.1", "localhost", "::1")
_SHOWN_CHARACTERS = 200
_ENDED = ("SUCCEEDED", "FAILED", "STOPPED")
# Ray's head is up, but the part that takes jobs is not yet. Ray has not noted the job then.
_NOT_READY = "No available agent to submit job"
# HTTPException is raised for an answer that ends in the middle.
_CUT_OFF = (OSError, ValueError, http.client.HTTPException)


class _RefusedError(Exception):
    """Ray answered with a refusal."""

    def __init__(self, code: int, text: str) -> None:
        super().__init__(text)
        self.code = code


class _TurnedAwayError(Exception):
    """The question did not reach Ray's Jobs API: the token or the address is wrong."""


class _NoRedirects(urllib.request.HTTPRedirectHandler):
    """Follows no redirects: urllib would repeat a POST as a GET, and send the token elsewhere."""

    def redirect_request(self, *_given: Any) -> None:
        return None


class RayJobsClient:
    """Submits, lists and stops the jobs of one cluster."""

    def __init__(self, address: str, token: str | None, *, clock: Clock | None = None) -> None:
        self.address = address.rstrip("/")
        self._token = token
        self._clock = clock or Clock()
        own = urllib.parse.urlsplit(self.address).hostname in _LOOPBACK
        # For this machine's own addresses no proxy is used: a site's proxy cannot reach them.
        handlers = [urllib.request.ProxyHandler({})] if own else []
        self._opener = urllib.request.build_opener(_NoRedirects, *handlers)

    def submit(self, request: JsonDict, submission_id: str, *, budget_s: float) -> None:
        """Submit a job, trying for `budget_s`. If Ray has the job already, nothing changes.

        Raises SubmissionError if Ray refuses, SubmissionUnknownError if it is not known whether Ray
        took the job.
        """
        deadline_s = self._clock.monotonic() + budget_s
        pause_s = _FIRST_PAUSE_S
        may_have_it = False
        while True:
            try:
                problem = self._try_to_submit(request, submission_id)
            except _TurnedAwayError as error:
                if not may_have_it:
                    raise SubmissionError(f"{error} No job was submitted.") from error
                problem = str(error)
            if problem is None:
                return
            may_have_it = may_have_it or problem != _NOT_READY
            if self._clock.monotonic() + pause_s > deadline_s:
                raise SubmissionUnknownError(
                    f"Ray at {self.address} did not say within {budget_s:g} s whether it took job "
                    f"{submission_id}: {problem.rstrip('.')}. Ask for the run's status later."
                )
            self._clock.sleep(pause_s)
            pause_s = min(2 * pause_s, _LONGEST_PAUSE_S)

    def _try_to_submit(self, request: JsonDict, submission_id: str) -> str | None:
        """None if Ray has the job, else the reason why that is not certain."""
        try:
            body = {**request, "submission_id": submission_id}
            answer = self._ask("POST", "/api/jobs/", body)
        except QueryError as error:
            return str(error)
        except _RefusedError as refused:
            if _NOT_READY in str(refused):
                return _NOT_READY
            return self._why_refused(refused, submission_id)
        if isinstance(answer, dict) and answer.get("submission_id") == submission_id:
            return None
        return f"its answer does not name the job: {json.dumps(answer)[:_SHOWN_CHARACTERS]}"

    def _why_refused(self, refused: _RefusedError, submission_id: str) -> str | None:
        """None if Ray refused because it has this job already: an earlier answer was lost.

        Else the reason why that is not known. Raises SubmissionError if Ray does not have the job.
        """
        try:
            known = self.find(submission_id)
        except QueryError as error:
            return str(error)
        if known is None:
            raise SubmissionError(
                f"Ray at {self.address} refused the job: {_last_words(str(refused))}"
            ) from refused
        return None

    def find(self, submission_id: str) -> JsonDict | None:
        """Ray's entry of one job; None if Ray does not know the job. Raises QueryError."""
        try:
            found = self._question("GET", f"/api/jobs/{submission_id}")
        except _RefusedError as refused:
            if refused.code == 404:
                return None
            raise self._no_answer(str(refused)) from refused
        if not isinstance(found, dict):
            raise self._no_answer(f"{type(found).__name__} instead of a job")
        return found

    def find_all(self) -> dict[str, JsonDict]:
        """Every submitted job of the cluster, by its submission id. Raises QueryError."""
        return {str(job["submission_id"]): job for job in self._list() if job.get("submission_id")}

    def has_open_jobs(self) -> bool:
        """Whether any job has not ended, including drivers that were not submitted as jobs.

        Raises QueryError.
        """
        return any(job.get("status") not in _ENDED for job in self._list())

    def stop(self, job_ids: Sequence[str]) -> None:
        """Ask Ray to end the last starts of jobs. Raises QueryError."""
        jobs = self.find_all()
        for job_id in job_ids:
            name, job = latest_start(jobs, job_id)
            if job is not None and job.get("status") not in _ENDED:
                self._stop(name)

    def _list(self) -> list[JsonDict]:
        try:
            found = self._question("GET", "/api/jobs/")
        except _RefusedError as refused:
            raise self._no_answer(str(refused)) from refused
        if not isinstance(found, list):
            raise self._no_answer(f"{type(found).__name__} instead of a list of jobs")
        return found

    def _stop(self, submission_id: str) -> None:
        try:
            self._question("POST", f"/api/jobs/{submission_id}/stop", {})
        except _RefusedError as refused:
            raise self._no_answer(str(refused)) from refused

    def _question(self, method: str, path: str, body: JsonDict | None = None) -> Any:
        """As `_ask`, but raises QueryError in place of _TurnedAwayError."""
        try:
            return self._ask(method, path, body)
        except _TurnedAwayError as error:
            raise QueryError(str(error)) from error

    def _ask(self, method: str, path: str, body: JsonDict | None = None) -> Any:
        headers = {"Content-Type": "application/json"}
        if self._token is not None:
            headers["Authorization"] = f"Bearer {self._token}"
        data = None if body is None else json.dumps(body).encode()
        asked = urllib.request.Request(
            f"{self.address}{path}", data=data, headers=headers, method=method
        )
        try:
            with self._opener.open(asked, timeout=ANSWER_WITHIN_S) as answer:
                return json.load(answer)
        except urllib.error.HTTPError as error:
            text = self._words_of(error)
            if 300 <= error.code < 400:
                raise _TurnedAwayError(self._redirected(path, error)) from error
            if error.code in _UNAUTHORISED:
                raise _TurnedAwayError(self._unauthorised(text.strip())) from error
            if error.code in _OF_A_GATEWAY:
                raise self._no_answer(f"{error.code} {error.reason}") from error
            raise _RefusedError(error.code, text) from error
        except _CUT_OFF as error:
            raise self._no_answer(str(error)) from error

    def _unauthorised(self, text: str) -> str:
        has_none = self._token is None
        why = "wants a token, and none was found" if has_none else "does not accept the token"
        return (
            f"Ray at {self.address} {why} ({_last_words(text)}). Set ray_token_path, or "
            "RAY_AUTH_TOKEN_PATH, to the file with the cluster's token."
        )

    def _redirected(self, path: str, error: urllib.error.HTTPError) -> str:
        target = _address_in(str(error.headers.get("Location", "")), self.address + path)
        where = f"The address {self.address} redirects to {target or 'another one'}"
        if not target.endswith(path):
            return f"{where}, not to a list of Ray's jobs. Set ray_address to the dashboard."
        return f"{where}. TMGG does not follow. Set ray_address={target.removesuffix(path)}."

    def _words_of(self, error: urllib.error.HTTPError) -> str:
        try:
            with error:
                return error.read().decode(errors="replace")
        except _CUT_OFF as cut_off:
            raise self._no_answer(str(cut_off)) from cut_off

    def _no_answer(self, why: str) -> QueryError:
        return QueryError(f"Ray at {self.address} did not answer: {_last_words(why)}")


def _address_in(location: str, asked: str) -> str:
    """The target of a redirect, without parts that may be secret; empty if there is none."""
    if not location:
        return ""
    try:
        parts = urllib.parse.urlsplit(urllib.parse.urljoin(asked, location))
        host = parts.netloc.rpartition("@")[2]
        return urllib.parse.urlunsplit((parts.scheme, host, parts.path, "", ""))
    except ValueError:
        return ""


def latest_start(jobs: dict[str, JsonDict], job_id: str) -> tuple[str, JsonDict | None]:
    """Name and entry of the last start of a job; None as entry if Ray knows no start."""
    restarts = count_restarts(jobs, job_id)
    name = restarted_id(job_id, restarts)
    return name, jobs.get(name)


def count_restarts(jobs: dict[str, JsonDict], job_id: str) -> int:
    """How often TMGG started a job again."""
    restarts = 0
    while restarted_id(job_id, restarts + 1) in jobs:
        restarts += 1
    return restarts


def _last_words(text: str) -> str:
    """The last line of a text. Ray answers with tracebacks, whose last line is the error."""
    lines = [line for line in text.splitlines() if line.strip()]
    return lines[-1] if lines else "no reason given"
