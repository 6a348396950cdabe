"""Titles of runs as overrides, one by one."""

import string

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tmgg.console.overrides import in_short, parse_title, short_names, typed, varying


@pytest.mark.parametrize(
    ("title", "overrides"),
    [
        ("", {}),
        ("lr=0.1", {"lr": "0.1"}),
        ("model=mlp +trainer.lr=1e-3 ++a.b=2", {"model": "mlp", "trainer.lr": "1e-3", "a.b": "2"}),
        ("db@target=mysql x=", {"db@target": "mysql", "x": ""}),
        ("~name seed=1", {"~name": "", "seed": "1"}),
        ("layers=[64, 64] seed=1", {"layers": "[64, 64]", "seed": "1"}),
        ("o={a: 1, b: 'c d=e'} seed=1", {"o": "{a: 1, b: 'c d=e'}", "seed": "1"}),
        ("name='a b=c' seed=1", {"name": "'a b=c'", "seed": "1"}),
        ("name=two words seed=1", {"name": "two words", "seed": "1"}),
        (r"name=a\ b seed=1", {"name": r"a\ b", "seed": "1"}),
        ("token=${oc.env:TOKEN} seed=1", {"token": "${oc.env:TOKEN}", "seed": "1"}),
    ],
)
def test_a_title_is_split_into_its_overrides(title: str, overrides: dict[str, str]) -> None:
    assert parse_title(title) == overrides


@pytest.mark.parametrize("title", ["the first", "baseline", "with dropout, lr=0.1", "=1"])
def test_a_title_of_other_words_is_none(title: str) -> None:
    assert parse_title(title) is None


_NAMES = st.text(string.ascii_lowercase, min_size=1, max_size=5)
_VALUES = st.one_of(
    st.integers().map(str),
    st.floats(allow_nan=False).map(repr),
    st.text(string.ascii_letters + string.digits + "_./:-", min_size=1, max_size=8),
    st.text(string.ascii_letters + " =[]{}", max_size=8).map(lambda text: f"'{text}'"),
    st.lists(st.integers(), max_size=3).map(str),
)


@given(st.dictionaries(_NAMES, _VALUES, max_size=4))
def test_what_was_joined_is_split_again(overrides: dict[str, str]) -> None:
    assert parse_title(" ".join(f"{key}={value}" for key, value in overrides.items())) == overrides


@given(st.text(max_size=60))
def test_no_title_is_too_strange(title: str) -> None:
    parse_title(title)
    typed(title)


def test_only_what_varies_is_reported_and_everything_of_a_run_that_is_alone() -> None:
    rows = [{"a": "1", "b": "2"}, {"a": "1", "b": "3", "c": "4"}]
    assert varying(rows) == ["b", "c"]
    assert varying(rows[:1]) == ["a", "b"]
    assert varying([]) == []


def test_a_key_is_called_by_as_many_of_its_last_parts_as_tell_it_from_the_others() -> None:
    assert short_names(["trainer.lr", "model.size", "data.size", "seed"]) == {
        "trainer.lr": "lr",
        "model.size": "model.size",
        "data.size": "data.size",
        "seed": "seed",
    }
    assert short_names(["models/denoising@model", "db/schema"]) == {
        "models/denoising@model": "model",
        "db/schema": "schema",
    }
    assert short_names(["a.seed", "seed"]) == {"a.seed": "a.seed", "seed": "seed"}


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("1", 1), ("-3", -3), ("007", "007"), ("0.5", 0.5), ("1e-3", 0.001), ("true", True),
        ("null", None), ("'1'", "1"), ("mlp", "mlp"), ("[1]", "[1]"), ("", ""), ("1:30", "1:30"),
        ("True", True), ("FALSE", False), ("Null", None), ("1_000", 1000), ("'True'", "True"),
    ],
)  # fmt: skip
def test_values_have_the_type_that_a_program_wants(text: str, value: object) -> None:
    found = typed(text)
    assert (found, type(found)) == (value, type(value))


def test_in_short_only_what_varies_is_named() -> None:
    titles = {
        "r0": "+stage=poc models/denoising@model=gnn trainer.lr=0.1 data.n=8",
        "r1": "+stage=poc models/denoising@model=mlp trainer.lr=0.1 data.n=8 ~noise",
    }
    assert in_short(titles) == {"r0": "model=gnn", "r1": "model=mlp ~noise"}
    assert in_short({"r0": "lr=1", "r1": ""}) == {"r0": "lr=1", "r1": ""}


@pytest.mark.parametrize("titles", [{}, {"r": "lr=1 seed=2"}, {"r": "lr=1", "s": "the second"}])
def test_of_one_run_and_of_other_words_the_titles_stay(titles: dict[str, str]) -> None:
    assert in_short(titles) == titles
