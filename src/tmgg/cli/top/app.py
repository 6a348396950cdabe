"""The program: it looks at the runs at intervals, and the screens draw what it saw."""

import logging
import threading
import time
from collections.abc import Callable
from typing import ClassVar

from textual.app import App
from textual.binding import Binding, BindingType

from tmgg.cli.top.host import Severity
from tmgg.cli.top.run_screen import RunScreen
from tmgg.cli.top.screens import GroupScreen, StartScreen, TopScreen
from tmgg.cli.top.snapshot import Looker, Snapshot
from tmgg.console.visible import visible
from tmgg.errors import TmggError

LOOK_INTERVAL_S = 12.0
"""A look is one squeue and at most one sacct: 0.17 calls a second."""
NOTE_S = 8.0


class TopApp(App[None]):
    """`tmgg-jobs top`."""

    TITLE = "tmgg-jobs top"
    ENABLE_COMMAND_PALETTE = False
    CSS = """
    Table { height: 1fr; }
    #note { height: auto; max-height: 3; color: $warning; padding: 0 1; }
    #head { height: auto; padding: 0 1; text-style: bold; }
    #facts { height: auto; max-height: 40%; }
    #facts VerticalScroll { height: auto; max-height: 100%; border: round $primary; }
    #timeline { width: 3fr; } #metrics { width: 2fr; }
    #log { height: 1fr; border: round $primary; }
    Words, Question { align: center middle; }
    #box { width: 90%; max-width: 110; height: auto; max-height: 85%; border: thick $primary;
           background: $surface; padding: 1 2; }
    """
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("q", "quit", "quit"),
        Binding("f5", "look_now", "look", show=False),
    ]

    def __init__(self, looker: Looker, *, clock: Callable[[], float] = time.monotonic) -> None:
        super().__init__()
        self._looker = looker
        self._clock = clock
        self._looked_at: float | None = None
        self.snapshot: Snapshot | None = None
        self.looks = 0

    def on_mount(self) -> None:
        self._send_logs_here()
        self.push_screen(StartScreen())
        self.set_interval(LOOK_INTERVAL_S, self.action_look_now)
        self.action_look_now()

    def action_look_now(self) -> None:
        """Look, but not more often than the interval."""
        now = self._clock()
        if self._looked_at is not None and now - self._looked_at < LOOK_INTERVAL_S * 0.95:
            return
        self._looked_at = now
        self.run_worker(self._look, thread=True, exclusive=True, group="look", exit_on_error=False)

    def open_group(self, key: str) -> None:
        self.push_screen(GroupScreen(key))

    def open_run(self, key: str) -> None:
        if self.snapshot is not None and (run := self.snapshot.run(key)) is not None:
            self.push_screen(RunScreen(run))

    def act(self, doing: Callable[[], str]) -> None:
        """Call `doing` in a thread and show the text that it returns."""

        def work() -> None:
            try:
                self.call_from_thread(self.say, doing())
            except (TmggError, OSError) as error:
                self.call_from_thread(self.say, f"error: {error}", "error")
            self.call_from_thread(self.action_look_now)

        self.run_worker(work, thread=True, group="act", exit_on_error=False)

    def say(self, text: str, severity: Severity = "information") -> None:
        """Show a note in a corner. Others may have written the text, so it is not markup."""
        self.notify(visible(text), severity=severity, timeout=NOTE_S, markup=False)

    def _look(self) -> None:
        try:
            snapshot = self._looker.look()
        except (TmggError, OSError) as error:
            self.call_from_thread(self.say, f"nothing can be seen now: {error}", "error")
            return
        self.call_from_thread(self._show, snapshot)

    def _show(self, snapshot: Snapshot) -> None:
        self.snapshot = snapshot
        self.looks += 1
        for screen in self.screen_stack:
            if isinstance(screen, TopScreen):
                screen.show(snapshot)

    def _send_logs_here(self) -> None:
        """A warning on standard error would be written across the screen."""
        logging.getLogger().handlers = [_Notes(self)]


class _Notes(logging.Handler):
    """Shows warnings as notes. Must be made in the thread of the app."""

    def __init__(self, app: TopApp) -> None:
        super().__init__(logging.WARNING)
        self._app = app
        self._thread = threading.get_ident()

    def emit(self, record: logging.LogRecord) -> None:
        text = record.getMessage()
        if threading.get_ident() == self._thread:
            self._app.say(text, "error")
        elif self._app.is_running:
            self._app.call_from_thread(self._app.say, text, "error")
