"""The content of a torch tensor, for fingerprints: its pickle would have addresses in it."""

import hashlib
import sys
from typing import Any


def as_plain_tensor(value: Any) -> list[Any] | None:
    """Type, shape, device and a hash of the numbers; None if it is no plain tensor."""
    torch: Any = sys.modules.get("torch")
    if torch is None or not isinstance(value, torch.Tensor):
        return None
    if value.layout is not torch.strided or value.is_quantized or value.device.type == "meta":
        return None
    content = hashlib.sha256(_bytes_of(torch, value)).hexdigest()
    place = [str(value.dtype), list(value.shape), value.device.type, value.requires_grad]
    return [*place, content]


def _bytes_of(torch: Any, value: Any) -> bytes:
    plain = value.detach().cpu().resolve_conj().resolve_neg().contiguous()
    flat = plain.reshape(-1).view(torch.uint8)
    try:
        return bytes(flat.numpy().tobytes())
    except RuntimeError:  # a torch without numpy
        return bytes(flat.tolist())
