"""Who may run a submission, kept in a `modal.Dict`: the same rule as the file `owner` elsewhere.

Modal has no token by which an unanswered spawn could be looked up. So the call itself claims the
submission's token before it does anything; of two calls with one token, one runs. A submission that
is given up is claimed by nobody, and a call that arrives later ends unused. Modal drops entries
that nobody touched for a week; no call waits that long.
"""

from typing import Any

from tmgg.experiment_utils.extras import require
from tmgg.experiment_utils.run_folder.ownership import NOBODY

DICT_NAME = "tmgg-claims"


class Claims:
    """Each method is one or two questions to Modal; they raise the SDK's errors."""

    def __init__(self, environment: str | None = None) -> None:
        modal: Any = require("modal", extra="modal", purpose="the modal backend")
        self._dict = modal.Dict.from_name(
            DICT_NAME, environment_name=environment, create_if_missing=True
        )

    async def place(self) -> str:
        """Id of the claims, which each Modal environment of each workspace has for itself."""
        await self._dict.hydrate.aio()
        return str(self._dict.object_id)

    async def claim(self, token: str, owner: str) -> str:
        """Begin the submission as `owner`, unless another has; who owns it."""
        if await self._dict.put.aio(token, owner, skip_if_exists=True):
            return owner
        return str(await self._dict.get.aio(token, NOBODY))

    async def forbid(self, token: str) -> str | None:
        """Let no call begin the submission any more; the one that had begun it before, if any."""
        return _call_of(await self.claim(token, NOBODY))

    async def owner(self, token: str) -> str | None:
        """The call that began the submission; None when none has, or none may."""
        return _call_of(await self._dict.get.aio(token, None))

    async def mark_started(self, call_id: str) -> None:
        """Let others see that a call has left the queue, which Modal itself does not tell."""
        await self._dict.put.aio(call_id, True, skip_if_exists=True)

    async def has_started(self, call_id: str) -> bool:
        return bool(await self._dict.contains.aio(call_id))


def _call_of(owner: str | None) -> str | None:
    return None if owner in (None, NOBODY) else owner
