"""Arrays and tensors that get the numbers of others."""

from typing import Any

import numpy
import pytest
import torch

from tmgg.experiment_utils.program.arrays_in_place import copy_of, fill, form_of, is_array, makes


class Own(numpy.ndarray):
    pass


def read_only() -> Any:
    made = numpy.zeros(1)
    made.flags.writeable = False
    return made


@pytest.mark.parametrize("zeros", [numpy.zeros, torch.zeros], ids=["array", "tensor"])
def test_a_view_sees_the_numbers_that_its_base_gets(zeros: Any) -> None:
    base = zeros(3)
    view = base[:2]
    fill(base, copy_of(zeros(3) + 5))

    assert view.tolist() == [5, 5]


def test_a_parameter_stays_a_parameter_and_may_be_frozen() -> None:
    mine, other = (torch.nn.Parameter(torch.full((2,), value)) for value in (1.0, 2.0))
    other.requires_grad_(False)
    fill(mine, copy_of(other))
    make, arguments = makes(other)

    assert mine.tolist() == [2, 2]
    assert not mine.requires_grad
    assert type(copy_of(other)) is torch.nn.Parameter
    assert form_of(make(*arguments)) == form_of(mine)


@pytest.mark.parametrize(
    "value",
    [
        numpy.zeros(1).view(Own), numpy.array([{}]), read_only(), numpy.float64(1), [1],
        torch.zeros(1).to_sparse(), torch.zeros(1, requires_grad=True) + 1,
        torch.zeros(1, device="meta"),
    ],
    ids=["derived", "objects", "read-only", "number", "list", "sparse", "computed", "meta"],
)  # fmt: skip
def test_other_arrays_are_not_changed_in_place(value: object) -> None:
    assert not is_array(value)


def test_the_form_is_the_shape_and_the_type() -> None:
    assert form_of(numpy.zeros(2)) != form_of(numpy.zeros(3))
    assert form_of(torch.zeros(2)) != form_of(torch.zeros(2, dtype=torch.float64))
