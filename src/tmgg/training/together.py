"""Which processes train together."""

import socket
from typing import Any


def processes() -> list[tuple[int, str]]:
    """Rank and host name of every process of this training. All of them must call it."""
    import torch.distributed

    host = socket.gethostname()
    if not (torch.distributed.is_available() and torch.distributed.is_initialized()):
        return [(0, host)]
    everyone: list[Any] = [None] * torch.distributed.get_world_size()
    torch.distributed.all_gather_object(everyone, (torch.distributed.get_rank(), host))
    return sorted(everyone)
