"""A Ray dashboard as far as jobs go: HTTP on a port of its own, jobs that run when told to."""

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

Job = dict[str, Any]


class FakeRay:
    """What the server knows, and what it shall do wrong."""

    def __init__(self) -> None:
        self.jobs: dict[str, Job] = {}
        self.requests: list[str] = []
        """`METHOD path` of each, in order."""
        self.token: str | None = None
        self.not_ready = 0
        """So many submissions find no agent yet."""
        self.answers_lost = 0
        """So many submissions are taken, and their answers are lost."""
        self.refusal: str | None = None
        self.redirect: str | None = None
        """It sends every question there: the beginning of an address."""
        self.gateway_errors = 0
        """So many submissions are taken, and a gateway answers in its place."""
        self.answer_to_submission: Any = None
        """Instead of its own, and it takes nothing."""
        self.headers: list[dict[str, str]] = []
        self.cut_off: set[str] = set()
        """To a question of one of these, `METHOD path`, it answers by half."""

    def end(self, submission_id: str, status: str, **more: Any) -> None:
        self.jobs[submission_id] |= {"status": status, **more}

    def answer(self, method: str, path: str, body: Job) -> tuple[int, Any]:
        self.requests.append(f"{method} {path}")
        name = path.removeprefix("/api/jobs/").removesuffix("/stop")
        if method == "POST" and path == "/api/jobs/":
            return self._take(body)
        if method == "GET" and path == "/api/jobs/":
            return 200, [*self.jobs.values(), {"type": "DRIVER", "status": "SUCCEEDED"}]
        if name not in self.jobs:
            return 404, f"Job {name} does not exist"
        if method == "POST":
            self.jobs[name]["status"] = "STOPPED"
            return 200, {"stopped": True}
        return 200, self.jobs[name]

    def _take(self, body: Job) -> tuple[int, Any]:
        name = body["submission_id"]
        if self.answer_to_submission is not None:
            return 200, self.answer_to_submission
        if self.not_ready:
            self.not_ready -= 1
            return 500, "No available agent to submit job, please try again later."
        if self.refusal is not None:
            return 400, f"Traceback ...\nValueError: {self.refusal}"
        if name in self.jobs:
            return 500, f"Traceback ...\nValueError: Job with submission_id {name} already exists."
        self.jobs[name] = {**body, "type": "SUBMISSION", "status": "PENDING"}
        if self.gateway_errors:
            self.gateway_errors -= 1
            return 504, "<html>Gateway Time-out</html>"
        if self.answers_lost:
            self.answers_lost -= 1
            return 0, None
        return 200, {"submission_id": name}


@contextmanager
def serve(ray: FakeRay) -> Iterator[str]:
    """The address of a server that answers for `ray`."""

    class Handler(BaseHTTPRequestHandler):
        def _handle(self) -> None:
            length = int(self.headers.get("Content-Length") or 0)
            body = json.loads(self.rfile.read(length) or b"{}")
            ray.headers.append(dict(self.headers))
            if ray.redirect is not None:
                ray.requests.append(f"{self.command} {self.path}")
                code, answer = 301, ""
            elif ray.token is not None and self.headers["Authorization"] != f"Bearer {ray.token}":
                code, answer = 401, "Unauthorized: Missing authentication token"
            else:
                code, answer = ray.answer(self.command, self.path, body)
            if code == 0:
                self.close_connection = True
                return
            text = answer if isinstance(answer, str) else json.dumps(answer)
            self.send_response(code)
            if code == 301:
                self.send_header("Location", f"{ray.redirect}{self.path}")
            if f"{self.command} {self.path}" in ray.cut_off:
                self.send_header("Content-Length", str(2 * len(text) + 1))
            self.end_headers()
            self.wfile.write(text.encode())

        do_GET = do_POST = _handle

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
