"""Arrays of numpy and tensors of torch that get the numbers of others, so that views see them."""

import sys
from collections.abc import Callable
from typing import Any


def is_array(value: Any) -> bool:
    """Whether it is an array or a tensor, of no derived class, whose numbers can be replaced."""
    numpy, torch = sys.modules.get("numpy"), sys.modules.get("torch")
    if numpy is not None and type(value) is numpy.ndarray:
        return bool(value.flags.writeable) and not value.dtype.hasobject
    if torch is None or type(value) not in (torch.Tensor, torch.nn.Parameter):
        return False
    is_plain = value.layout is torch.strided and not value.is_quantized and not value.is_meta
    return is_plain and value.is_leaf and not vars(value)


def form_of(value: Any) -> object:
    """The shape and what else two arrays must have in common."""
    device = str(value.device) if _is_tensor(value) else ""
    return tuple(value.shape), str(value.dtype), device


def makes(value: Any) -> tuple[Callable[..., Any], tuple[Any, ...]]:
    """What makes an array of the same form, and with which arguments."""
    if not _is_tensor(value):
        return sys.modules["numpy"].empty, (value.shape, value.dtype)
    return _new_tensor, (type(value), tuple(value.shape), value.dtype, str(value.device))


def copy_of(value: Any) -> Any:
    """Another object with the same numbers in memory."""
    if not _is_tensor(value):
        return value.view()
    return _as(type(value), value.detach(), requires_grad=value.requires_grad)


def fill(target: Any, copied: Any) -> None:
    """Replace the numbers of `target`."""
    if not _is_tensor(target):
        target[...] = copied
        return
    with sys.modules["torch"].no_grad():
        target.copy_(copied)
    if target.requires_grad != copied.requires_grad:
        target.requires_grad_(copied.requires_grad)


def _is_tensor(value: Any) -> bool:
    torch = sys.modules.get("torch")
    return torch is not None and isinstance(value, torch.Tensor)


def _new_tensor(kind: type, shape: tuple[int, ...], dtype: Any, device: str) -> Any:
    import torch

    return _as(kind, torch.empty(shape, dtype=dtype, device=device), requires_grad=False)


def _as(kind: Any, tensor: Any, *, requires_grad: bool) -> Any:
    torch = sys.modules["torch"]
    if kind is torch.nn.Parameter:
        return kind(tensor, requires_grad=requires_grad)
    return tensor.requires_grad_(requires_grad)
