"""Decides in a `modal.Dict` which call runs a submission, as the file `owner` does elsewhere.

If Modal does not answer a spawn, the call cannot be looked up by a token. So each call first claims
the submission's token; of two calls with the same token, only one runs. To give up a submission,
the name NOBODY claims it, so a call that comes later ends unused. Modal drops entries that were not
used for a week; no call waits that long.
"""

from typing import Any

from tmgg.experiment_utils.extras import require
from tmgg.experiment_utils.run_folder.ownership import NOBODY

DICT_NAME = "tmgg-claims"


class Claims:
    """The claims of one Modal environment. Each method asks Modal once or twice.

    The methods raise the SDK's errors.
    """

    def __init__(self, environment: str | None = None) -> None:
        modal: Any = require("modal", extra="modal", purpose="the modal backend")
        self._dict = modal.Dict.from_name(
            DICT_NAME, environment_name=environment, create_if_missing=True
        )

    async def place(self) -> str:
        """The id of the Dict, which is another one in each environment of each workspace."""
        await self._dict.hydrate.aio()
        return str(self._dict.object_id)

    async def claim(self, token: str, owner: str) -> str:
        """Claim the submission for `owner`, unless it is already claimed; returns who owns it."""
        if await self._dict.put.aio(token, owner, skip_if_exists=True):
            return owner
        return str(await self._dict.get.aio(token, NOBODY))

    async def forbid(self, token: str) -> str | None:
        """Let no call begin the submission any more; the call that had begun it before, or None."""
        return _call_of(await self.claim(token, NOBODY))

    async def owner(self, token: str) -> str | None:
        """The call that began the submission; None if none has, or if it is forbidden."""
        return _call_of(await self._dict.get.aio(token, None))

    async def mark_started(self, call_id: str) -> None:
        """Note that a call has left the queue, because Modal itself does not report that."""
        await self._dict.put.aio(call_id, True, skip_if_exists=True)

    async def has_started(self, call_id: str) -> bool:
        return bool(await self._dict.contains.aio(call_id))


def _call_of(owner: str | None) -> str | None:
    return None if owner in (None, NOBODY) else owner
