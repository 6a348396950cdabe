"""Tables that fit: columns are left out, cells are whole."""

import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tmgg.console.tables import Column, fit, put_columns, render, render_left_out

RUN = Column(name="run", cells=["20261123-141503-9f2c01ab-0"], short=["9f2c01ab-0"])
LOSS = Column(name="loss", cells=["0.25"], is_number=True)


def widths(columns: list[Column]) -> int:
    return max(len("  ".join(line)) for line in render(columns))


def columns(*widths: int) -> list[Column]:
    """One for each width, the first of which is left out last."""
    return [
        Column(name=f"c{index}", cells=["x" * width], rank=index + 1)
        for index, width in enumerate(widths)
    ]


def test_without_a_width_nothing_is_left_out_nor_shortened() -> None:
    fitted = fit([RUN, *columns(500, 500)], None)
    assert [column.name for column in fitted.columns] == ["run", "c0", "c1"]
    assert fitted.columns[0].cells == RUN.cells
    assert fitted.left_out == []


def test_ids_are_shortened_before_a_column_is_left_out() -> None:
    fitted = fit([RUN, LOSS, *columns(10)], 30)
    assert [column.cells for column in fitted.columns] == [["9f2c01ab-0"], ["0.25"], ["x" * 10]]
    assert fitted.left_out == []


def test_what_matters_least_is_left_out_first_and_what_has_room_stays() -> None:
    fitted = fit([RUN, LOSS, *columns(10, 40, 5)], 40)
    assert [column.name for column in fitted.columns] == ["run", "loss", "c0", "c2"]
    assert fitted.left_out == ["c1"]


def test_the_room_that_is_left_is_for_whole_ids() -> None:
    fitted = fit([RUN, LOSS, *columns(60)], 50)
    assert fitted.columns[0].cells == RUN.cells
    assert fitted.left_out == ["c0"]


def test_an_empty_column_takes_no_room_and_is_not_missed() -> None:
    empty = Column(name="failure", cells=[""], rank=1)
    assert fit([LOSS, empty], 80).left_out == []
    assert fit([LOSS, empty], 80).columns == [LOSS]


_CELLS = st.lists(st.text("ab ", min_size=0, max_size=30), min_size=2, max_size=2)


@given(
    st.lists(st.builds(lambda cells, rank: (cells, rank), _CELLS, st.integers(1, 3)), max_size=8),
    st.integers(1, 120),
)
def test_every_cell_that_is_shown_is_whole_and_the_rest_is_reported(
    table: list[tuple[list[str], int]], width: int
) -> None:
    given_columns = [
        Column(name=f"n{index}", cells=cells, rank=rank)
        for index, (cells, rank) in enumerate(table)
    ]
    fitted = fit(given_columns, width)
    assert not fitted.columns or widths(fitted.columns) <= width
    assert all(column in given_columns for column in fitted.columns)
    seen = {column.name for column in fitted.columns} | set(fitted.left_out)
    assert seen >= {column.name for column in given_columns if any(column.cells)}


def test_what_is_left_out_is_reported_in_one_line_that_fits() -> None:
    names = [f"metric_{number}" for number in range(9)]
    how = "--columns NAME,... shows them"
    assert render_left_out([], how=how) == ""
    assert render_left_out(["time"], how=how, width=80) == f"no room for time ({how})"
    line = render_left_out(names, how=how, width=80)
    assert line == f"no room for metric_0, metric_1 and 7 more ({how})"
    assert render_left_out([], more_metrics=12, how="x") == "12 more metrics are not shown (x)"
    assert render_left_out(["a"], more_metrics=12, how="x") == "no room for a and 12 more (x)"


def test_in_a_pipe_nothing_is_cut_at_80_columns(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    assert put_columns([RUN, *columns(100, 100)]) == []
    assert max(map(len, capsys.readouterr().out.splitlines())) == len(RUN.cells[0]) + 204


def test_what_never_is_left_out_is_whole_on_a_terminal_that_is_too_narrow(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "20")
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
    put_columns([Column(name="run", cells=["r" * 30]), LOSS])
    assert "r" * 30 in capsys.readouterr().out


def test_letters_of_two_places_keep_the_columns_apart(capsys: pytest.CaptureFixture[str]) -> None:
    put_columns([Column(name="name", cells=["模型", "mlp"]), LOSS_TWICE])
    _head, first, second = capsys.readouterr().out.splitlines()
    assert first == "模型  0.25"
    assert second == "mlp   0.25"


LOSS_TWICE = Column(name="loss", cells=["0.25", "0.25"])


def test_what_acts_on_a_terminal_is_shown_instead(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
    put_columns([Column(name="met\x1b]0;PWN\x07[bold]", cells=["a\nb[red]"])])
    printed = capsys.readouterr().out
    assert "met\\x1b]0;PWN\\x07[bold]" in printed
    assert "a\\nb[red]" in printed
