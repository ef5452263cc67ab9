"""Session tokens: signed JWTs whose payload the browser SDK reads."""

from dataclasses import dataclass, field
from typing import Any

import jwt

from lite_gateway.errors import Refused

_ALGORITHM = "HS256"
_ISSUER = "lite-gateway"


@dataclass(frozen=True, slots=True)
class SessionTokens:
    """
    Signer and verifier of session tokens.

    Gateways with the same ``secret`` accept each other's tokens.
    """

    secret: str = field(repr=False)
    valid_s: float

    def sign(self, session_id: str, mode: str, now_s: float) -> str:
        """
        Return a token of the session that expires `valid_s` after ``now_s``, Unix time.

        ``mode`` is in the payload because the SDK assumes FULL mode if it finds none.
        """
        claims = {
            "iss": _ISSUER,
            "sub": session_id,
            "iat": int(now_s),
            "exp": int(now_s + self.valid_s),
            "start_session_data": {"mode": mode},
        }
        return jwt.encode(claims, self.secret, _ALGORITHM)

    def session_id(self, token: str) -> str:
        """Return the session id of a token, or raise `Refused` with 401."""
        try:
            claims: dict[str, Any] = jwt.decode(
                token,
                self.secret,
                [_ALGORITHM],
                issuer=_ISSUER,
                options={"require": ["exp", "sub"]},
            )
        except jwt.ExpiredSignatureError:
            raise Refused(
                401, "the session token has expired; create a new session"
            ) from None
        except jwt.InvalidTokenError as error:
            raise Refused(
                401,
                f"the session token is not one of this server ({error}); "
                "create one with POST /v1/sessions/token",
            ) from None
        return str(claims["sub"])
