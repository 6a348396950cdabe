"""The tables of sweeps and of runs, and what their keys do."""

from collections.abc import Callable, Sequence
from typing import ClassVar, cast

from rich.cells import cell_len
from rich.text import Text
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.screen import Screen
from textual.widgets import DataTable, Footer, Static

from tmgg.cli.top import actions
from tmgg.cli.top.boxes import Question, Words
from tmgg.cli.top.host import Host
from tmgg.cli.top.pages import group_columns, runs_columns
from tmgg.cli.top.snapshot import ShownRun, Snapshot
from tmgg.console.printing import STATUS_STYLES
from tmgg.console.tables import Column, Fitted, fit, render, render_left_out

Act = Callable[[Sequence[ShownRun]], str]
SIDES = 2
"""The width of a table's two edges, in characters."""


class Table(DataTable[Text]):
    """The widths of its columns are given: measuring every cell would double the time."""

    def _update_column_widths(self, updated_cells: object) -> None:
        pass


class TopScreen(Screen[None]):
    """What all screens have in common: keys that act on the chosen runs."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape", "back", "back"),
        Binding("e", "explain", "explain"),
        Binding("c", "cancel", "cancel"),
        Binding("r", "retry", "retry"),
    ]

    @property
    def host(self) -> Host:
        return cast(Host, self.app)

    def on_mount(self) -> None:
        if self.host.snapshot is not None:
            self.show(self.host.snapshot)

    def show(self, snapshot: Snapshot) -> None:
        """Draw what a look saw."""

    def chosen(self) -> Sequence[ShownRun]:
        """The runs that a key acts on."""
        return []

    def action_back(self) -> None:
        if len(self.app.screen_stack) > 2:
            self.app.pop_screen()

    def action_explain(self) -> None:
        runs = self.chosen()
        if not runs:
            return

        def work() -> None:
            words = Words(actions.explain(runs))
            self.app.call_from_thread(self.app.push_screen, words)

        self.run_worker(work, thread=True, exclusive=True, group="explain", exit_on_error=False)

    def action_cancel(self) -> None:
        self._ask("Cancel", [run for run in self.chosen() if run.is_open], actions.cancel)

    def action_retry(self) -> None:
        failed = [run for run in self.chosen() if run.has_failed]
        self._ask("Submit again", failed, actions.retry)

    def _ask(self, what: str, runs: Sequence[ShownRun], doing: "Act") -> None:
        if not runs:
            self.host.say("no such run is chosen: c is for runs that go on, r for failed ones")
            return
        which = f"run {runs[0].run_id}" if len(runs) == 1 else f"{len(runs)} runs"

        def answered(is_yes: bool | None) -> None:
            if is_yes:
                self.host.act(lambda: doing(runs))

        self.app.push_screen(Question(f"{what} {which}?"), answered)


class TableScreen(TopScreen):
    """A table that keeps its place while it changes."""

    def __init__(self) -> None:
        super().__init__()
        self._keys: list[str] = []
        self._drawn: list[list[str]] = []

    def compose(self) -> ComposeResult:
        yield Table(cursor_type="row", zebra_stripes=False)
        yield Static("", id="note", markup=False)
        yield Footer()

    @property
    def table(self) -> Table:
        return self.query_one(Table)

    def on_resize(self) -> None:
        if self.host.snapshot is not None:
            self.show(self.host.snapshot)

    def draw(self, columns: Sequence[Column], keys: Sequence[str], notes: Sequence[str]) -> None:
        """Draw all rows again if anything changed. The chosen row stays chosen."""
        if self.size.width == 0:
            return  # not laid out yet; on_resize comes
        fitted = fit(columns, self.size.width - SIDES, cell_len)
        lines = render(fitted.columns, cell_len)
        left_out = render_left_out(fitted.left_out, how="a wider window has them")
        self.query_one("#note", Static).update("\n".join(filter(None, [left_out, *notes])))
        if lines == self._drawn and list(keys) == self._keys:
            return
        chosen = self.chosen_key()
        self._drawn, self._keys = lines, list(keys)
        self._fill(fitted, lines)
        if chosen in self._keys:
            self.table.move_cursor(row=self._keys.index(chosen))

    def _fill(self, fitted: Fitted, lines: Sequence[Sequence[str]]) -> None:
        table = self.table
        table.clear(columns=True)
        names = [column.name for column in fitted.columns]
        for name, label in zip(names, lines[0], strict=True):
            # Text, because a str would be read as markup.
            table.add_column(
                Text(label), width=max(1, *(len(row[names.index(name)]) for row in lines))
            )
        status = names.index("status") if "status" in names else None
        table.add_rows(
            [
                Text(cell, STATUS_STYLES.get(cell.strip(), "") if index == status else "")
                for index, cell in enumerate(row)
            ]
            for row in lines[1:]
        )

    def chosen_key(self) -> str:
        row = self.table.cursor_row
        return self._keys[row] if 0 <= row < len(self._keys) else ""


class StartScreen(TableScreen):
    """All sweeps."""

    def show(self, snapshot: Snapshot) -> None:
        notes = [] if snapshot.groups else ["no sweeps or runs found (--all shows older ones)"]
        keys = [group.key for group in snapshot.groups]
        columns = group_columns(snapshot.groups) if snapshot.groups else []
        self.draw(columns, keys, [*notes, *snapshot.notes])

    def chosen(self) -> Sequence[ShownRun]:
        snapshot = self.host.snapshot
        group = snapshot.group(self.chosen_key()) if snapshot and self._keys else None
        return [] if group is None else group.runs

    def on_data_table_row_selected(self) -> None:
        if self._keys:
            self.host.open_group(self.chosen_key())


class GroupScreen(TableScreen):
    """The runs of a sweep."""

    def __init__(self, key: str) -> None:
        super().__init__()
        self._key = key

    def show(self, snapshot: Snapshot) -> None:
        group = snapshot.group(self._key)
        if group is None:
            self.draw([], [], ["it is no longer on record"])
            return
        self.draw(runs_columns(group), [run.key for run in group.runs], snapshot.notes)

    def chosen(self) -> Sequence[ShownRun]:
        snapshot = self.host.snapshot
        run = snapshot.run(self.chosen_key()) if snapshot else None
        return [] if run is None else [run]

    def on_data_table_row_selected(self) -> None:
        if self._keys:
            self.host.open_run(self.chosen_key())
