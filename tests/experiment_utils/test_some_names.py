from tmgg.experiment_utils.some_names import some_of


def test_what_is_not_named_is_counted() -> None:
    assert some_of([]) == ""
    assert some_of(["a", "b", "c"]) == "a, b, c"
    assert some_of(["a", "b", "c", "d", "e"], 2) == "a, b and 3 more"
