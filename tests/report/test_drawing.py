"""Pieces of SVG: safe labels."""

from tmgg.report.drawing import escaped, text
from tmgg.report.labels import shortened


def test_labels_are_shortened_and_safe() -> None:
    assert shortened("a" * 100, 11) == "aaaaa…aaaaa"
    assert escaped('<a href="x">\n\x1b') == "&lt;a href=&quot;x&quot;&gt;\\n\\x1b"


def test_the_whole_of_a_label_is_its_title() -> None:
    assert "<title>whole</title>" in text(0, 0, "w…e", whole="whole")
    assert "<title>" not in text(0, 0, "a" * 60, whole="a" * 60)
    assert "<title>" in text(0, 0, "a" * 60)
