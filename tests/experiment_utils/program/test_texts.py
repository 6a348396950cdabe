"""The values of attributes and defaults that a script's text shows."""

import ast

from tmgg.experiment_utils.program.texts import texts_of_definitions


def test_literals_of_attributes_and_defaults_are_found_by_their_names() -> None:
    text = """
LEVEL = 1
def work(x, rate=0.1, *, cfg=CFG, steps=[1]): pass
class Net:
    rate: float = 0.1
    size = other = 2
    made = make()
    def call(self, deep=True): pass
    class Inner:
        name = "a"
"""
    assert texts_of_definitions(ast.parse(text).body) == {
        "work(rate)": 0.1,
        "work(steps)": [1],
        "Net.rate": 0.1,
        "Net.size": 2,
        "Net.other": 2,
        "Net.call(deep)": True,
        "Net.Inner.name": "a",
    }


def test_the_last_definition_of_a_name_counts() -> None:
    text = "def work(rate=1): pass\ndef work(rate=RATE): pass\n"
    assert texts_of_definitions(ast.parse(text).body) == {}
