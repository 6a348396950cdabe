"""The page of a run: how it stands, its timeline and metrics, and its log as it grows."""

from collections.abc import Sequence
from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal, VerticalScroll
from textual.widgets import Footer, Log, Static

from tmgg.cli.top.log_tail import LogTail
from tmgg.cli.top.pages import run_page
from tmgg.cli.top.screens import TopScreen
from tmgg.cli.top.snapshot import ShownRun, Snapshot
from tmgg.errors import RunError

LOG_INTERVAL_S = 1.0
LINES_KEPT = 10_000


class RunScreen(TopScreen):
    """Files are read in threads, because a file system may be slow to answer."""

    BINDINGS: ClassVar[list[BindingType]] = [Binding("s", "other_log", "stdout/stderr")]

    def __init__(self, run: ShownRun) -> None:
        super().__init__()
        self._run = run
        self._is_stderr = False
        self._tail = LogTail(run.known.paths.stdout)

    def compose(self) -> ComposeResult:
        yield Static(self._run.run_id, id="head", markup=False)
        with Horizontal(id="facts"):
            with VerticalScroll(id="timeline"):
                yield Static("", id="timeline_text", markup=False)
            with VerticalScroll(id="metrics"):
                yield Static("", id="metrics_text", markup=False)
        yield Log(id="log", max_lines=LINES_KEPT)
        yield Footer()

    def on_mount(self) -> None:
        self.query_one("#timeline").border_title = "timeline"
        self.query_one("#metrics").border_title = "metrics"
        self._begin_log()
        self._read_page()
        self.set_interval(LOG_INTERVAL_S, self._read_log)

    def show(self, snapshot: Snapshot) -> None:
        run = snapshot.run(self._run.key)
        if run is not None:
            self._run = run
            self._read_page()

    def chosen(self) -> Sequence[ShownRun]:
        return [self._run]

    def action_other_log(self) -> None:
        self._is_stderr = not self._is_stderr
        paths = self._run.known.paths
        self._tail = LogTail(paths.stderr if self._is_stderr else paths.stdout)
        self.query_one(Log).clear()
        self._begin_log()

    def _begin_log(self) -> None:
        self.query_one("#log").border_title = "stderr" if self._is_stderr else "stdout"
        self._read_log()

    def _read_page(self) -> None:
        run = self._run

        def work() -> None:
            try:
                page = run_page(run)
            except (RunError, OSError) as error:
                page = {"head": f"{run.run_id}\n{error}"}
            self.app.call_from_thread(self._put_page, page)

        self.run_worker(work, thread=True, exclusive=True, group="page", exit_on_error=False)

    def _put_page(self, page: dict[str, str]) -> None:
        self.query_one("#head", Static).update(page["head"])
        for name in ("timeline", "metrics"):
            if name in page:
                self.query_one(f"#{name}_text", Static).update(page[name])

    def _read_log(self) -> None:
        if any(worker.group == "log" and worker.is_running for worker in self.workers):
            return  # the file system has not answered the last read yet
        tail = self._tail

        def work() -> None:
            try:
                text = tail.read_new()
            except OSError as error:
                text = f"[{tail.path} cannot be read now: {error}]\n"
            if text:
                self.app.call_from_thread(self._put_log, tail, text)

        self.run_worker(work, thread=True, group="log", exit_on_error=False)

    def _put_log(self, tail: LogTail, text: str) -> None:
        if tail is self._tail:  # the user has not changed to the other log meanwhile
            self.query_one(Log).write(text)
