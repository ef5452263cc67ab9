"""Identities in rooms: at most one session of this process holds each."""

import asyncio
from typing import TypeVar

from lite_gateway.errors import Refused
from lite_gateway.foreign.room_claims import quoted
from lite_gateway.sessions.record import SessionRecord
from lite_gateway.sessions.session import EndInfo
from lite_gateway.sessions.session_config import IdentityClaim
from protocol.lite.messages import EndReason

# A session waits so long for one of its own key that joins with its identity, and for
# one with its identity that has ended and has not left the room.
WAIT_S = 12.0
_Key = TypeVar("_Key")
_TAKEN = EndInfo(
    EndReason.USER_DISCONNECTED, "another session took its identity in the room"
)


class RoomIdentities:
    """
    Holders of room identities, and the sessions that join to become one.

    Only LiveKit can tell whether a token is valid. So a session holds an identity from
    the moment that LiveKit has let it in, and not before: LiveKit has then disconnected
    the participant that had it. A join with a forged token ends nothing and delays
    only joins of the same API key.
    """

    def __init__(self) -> None:
        self._holders: dict[IdentityClaim, SessionRecord] = {}
        self._joining: dict[tuple[IdentityClaim, str], SessionRecord] = {}
        self._changed = asyncio.Event()  # of the next change

    def holder(self, claim: IdentityClaim | None) -> SessionRecord | None:
        """Return the session that has this identity in its room."""
        return self._holders.get(claim) if claim else None

    async def announce(self, record: SessionRecord) -> None:
        """
        Announce that a session joins with its identity.

        Raises `Refused` if another session keeps the identity. Waits for one that has
        ended and is leaving, and for a join of the same API key.
        """
        claim = record.config.identity_claim
        if claim is None:
            return
        try:
            async with asyncio.timeout(WAIT_S):
                while not self._is_free(claim, record):
                    await self._changed.wait()
                self._joining[claim, record.owner.key_id] = record
        except TimeoutError:
            raise Refused(
                409,
                "another session is joining or leaving that room as "
                f"{quoted(claim[2])}; try again",
            ) from None

    def _is_free(self, claim: IdentityClaim, record: SessionRecord) -> bool:
        """Return False while the identity may become free; raise if it is kept."""
        holder = self.holder(claim)
        joining = self._joining.get((claim, record.owner.key_id))
        for other in (holder, joining):
            if other is None or other.ending or other.allows_preemption_by(record):
                continue
            text = f"session {other.id}"
            if other.owner.key_id != record.owner.key_id:
                text = "the avatar of another API key"
            raise Refused(
                409,
                f"{text} is in that room as {quoted(claim[2])}; stop it, or use a "
                "token with another identity",
            )
        return joining is None and (holder is None or not holder.ending)

    def take(self, record: SessionRecord) -> None:
        """Make a session that LiveKit has let in the holder, and end the former one."""
        claim = record.config.identity_claim
        if claim is None:
            return
        self._remove(self._joining, (claim, record.owner.key_id), record)
        if former := self._holders.get(claim):
            former.end(_TAKEN)
        self._holders[claim] = record

    def release(self, record: SessionRecord) -> None:
        """
        Release the identity of a session that is neither in its room nor joining it.

        A join that was given up goes on in LiveKit's SDK. It would disconnect a
        newcomer with the same identity.
        """
        if claim := record.config.identity_claim:
            self._remove(self._joining, (claim, record.owner.key_id), record)
            self._remove(self._holders, claim, record)

    def _remove(
        self, records: dict[_Key, SessionRecord], key: _Key, record: SessionRecord
    ) -> None:
        if records.get(key) is record:
            del records[key]
            self._changed.set()
            self._changed = asyncio.Event()
