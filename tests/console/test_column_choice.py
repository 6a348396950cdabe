"""Which columns somebody means by names."""

from collections.abc import Sequence

import pytest

from tmgg.console.column_choice import choose, names_apart, split_names, tell_apart
from tmgg.console.tables import Column
from tmgg.errors import ConfigError


def column(name: str, full: str = "") -> Column:
    return Column(name=name, full=full, cells=["1"], rank=4)


TABLE = [
    column("run"),
    column("lr", "overrides.opt.lr"),
    column("time"),
    column("metrics.time", "metrics.time"),
    column("val_a", "metrics.val_a"),
    column("val_b", "metrics.val_b"),
    column("acc[1]", "metrics.acc[1]"),
    column("f1,macro", "metrics.f1,macro"),
]
OTHERS = [
    column("opt.name", "overrides.opt.name"),
    column("config.seed", "config.seed"),
    column("config.opt.name", "config.opt.name"),
]


def chosen(*names: str) -> list[str]:
    return [each.name for each in choose(TABLE, names, OTHERS).columns]


@pytest.mark.parametrize(
    ("names", "found"),
    [
        (["time", "val_*"], ["run", "time", "val_a", "val_b"]),
        (["lr"], ["run", "lr"]),
        (["opt.lr"], ["run", "lr"]),
        (["overrides.opt.lr"], ["run", "lr"]),
        (["metrics.time"], ["run", "metrics.time"]),
        (["acc[1]"], ["run", "acc[1]"]),
        (["f1,macro"], ["run", "f1,macro"]),
        (["opt.name"], ["run", "opt.name"]),
        (["config*"], ["run", "config.seed", "config.opt.name"]),
        (["seed"], ["run", "config.seed"]),
        (["opt.*"], ["run", "lr"]),
        (["val_b", "run", "val_*"], ["val_b", "run", "val_a"]),
        (["*"], [each.name for each in TABLE]),
    ],
)
def test_exact_names_count_before_patterns_and_the_table_before_the_rest(
    names: Sequence[str], found: Sequence[str]
) -> None:
    assert chosen(*names) == found


def test_what_is_chosen_is_never_left_out() -> None:
    assert {each.rank for each in choose(TABLE, ["*"]).columns} == {0}


def test_an_absent_name_in_a_list_costs_the_others_nothing() -> None:
    choice = choose(TABLE, ["lr", "gpu_busy", "no*"])
    assert [each.name for each in choice.columns] == ["run", "lr"]
    assert choice.absent == ["gpu_busy", "no*"]


def test_where_none_of_the_names_is_there_it_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"no column 'a' or 'b'; there are run, lr, time, "):
        choose(TABLE, ["a", "b"])
    with pytest.raises(ConfigError, match="no name is given; there are run, "):
        choose(TABLE, [])


def test_a_name_with_a_comma_is_one_name() -> None:
    assert split_names("f1,macro", TABLE) == ["f1,macro"]
    assert split_names("lr,,time", TABLE) == ["lr", "time"]


def test_names_that_are_taken_are_reported_in_full() -> None:
    names = [("time", ""), ("time", "metrics.time"), ("lr", "overrides.a.lr"), ("n", "metrics.n")]
    assert names_apart(names) == ["time", "metrics.time", "lr", "n"]
    assert names_apart([("lr", "overrides.a.lr"), ("lr", "metrics.lr")]) == [
        "overrides.a.lr", "metrics.lr",
    ]  # fmt: skip
    assert names_apart([("memory", "metrics.memory")]) == ["metrics.memory"], "as with --columns"


def test_a_name_that_two_columns_had_means_both() -> None:
    columns = tell_apart([column("run"), column("lr", "overrides.lr"), column("lr", "metrics.lr")])
    found = choose(columns, ["lr"]).columns
    assert [each.name for each in found] == ["run", "overrides.lr", "metrics.lr"]
