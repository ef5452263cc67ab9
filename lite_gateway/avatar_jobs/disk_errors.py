"""Errors of the disk as answers to callers. Paths are for the log only."""

import errno

from lite_gateway.errors import Refused
from renderer.package import BrokenAvatar

NOT_WRITTEN = "not_written"
_FULL = {errno.ENOSPC, errno.EDQUOT}
_FOLDER = "the folder of --created-avatars (LITE_CREATED_AVATARS)"
_RETRY_S = 30.0


def not_kept(error: OSError | BrokenAvatar) -> Refused:
    """Return the answer for a draft that could not be kept, and still can: 507, 503."""
    return _refused(error, "the avatar was not kept", "keep the draft again")


def not_deleted(error: OSError) -> Refused:
    """Return the answer for an avatar whose files could not be deleted: 507 or 503."""
    return _refused(error, "the avatar was not deleted", "delete it again")


def _refused(error: OSError | BrokenAvatar, failed: str, again: str) -> Refused:
    if isinstance(error, OSError):
        cause = error.strerror or type(error).__name__
        if error.errno in _FULL:
            text = f"{failed}: the disk is full ({cause}). Ask who runs the server to "
            text += f"free space in {_FOLDER}, then {again}"
            return Refused(507, text, retry_s=_RETRY_S, code=NOT_WRITTEN)
    else:
        cause = str(error)
    text = f"{failed}: its files cannot be written or read ({cause}). Ask who runs the "
    text += f"server to check {_FOLDER}, then {again}"
    return Refused(503, text, retry_s=_RETRY_S, code=NOT_WRITTEN)
