"""What is said of runs that are recognised, and may not be quite the same."""

from tmgg.experiment_utils.cloud.sweep.near_matches import reordered

CONFIG = {"x": 1, "steps": {"crop": {"size": 2}, "flip": {}}, "parts": [{"a": 1, "b": 2}]}


def test_mappings_whose_keys_have_another_order_are_named() -> None:
    assert list(reordered(CONFIG, CONFIG)) == []
    turned = {
        "steps": {"flip": {}, "crop": {"size": 2}},
        "x": 1,
        "parts": [{"b": 2, "a": 1}],
    }
    assert list(reordered(turned, CONFIG)) == ["the config", "steps", "parts[0]"]


def test_only_keys_of_both_are_compared() -> None:
    assert list(reordered({"b": 1, "c": 1, "a": 1}, {"b": 1, "a": 1, "d": 1})) == []
