"""Names of attributes that code sets, told from its source."""

import ast

import pytest

from tmgg.experiment_utils.program.attributes_set import ANY, attributes_set


@pytest.mark.parametrize(
    ("code", "names"),
    [
        ("Model.rate = 1", "rate"),
        ("def put(c): c.rate = 1", "rate"),
        ("type(model).rate = 1", "rate"),
        ("model.__class__.rate = 1", "__class__ rate"),
        ("Model.inner.rate += 1", "inner rate"),
        ("for c in (Model,): c.rate = 1", "rate"),
        ("Model.table['a'].b = 1", "table b"),
        ("Model.names.append(1)", "names"),
        ("del Model.rate", "rate"),
        ("setattr(Model, 'rate', 1)", "rate"),
        ("setattr(Model, name, 1)", ANY),
        ("self.table['a'] = 1", "table"),
        ("self.rate = 1; setattr(self, name, 1)", ""),
        ("Model.rate; print(Model.rate)", ""),
        ("rate = 1; table['a'] = 1", ""),
    ],
)
def test_names_count_of_whatever_object(code: str, names: str) -> None:
    assert {*attributes_set(ast.parse(code))} == {*names.split()}
