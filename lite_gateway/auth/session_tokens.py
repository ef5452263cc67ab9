"""Session tokens: JWTs whose payload the browser SDK reads."""

from dataclasses import dataclass, field
from typing import Any

import jwt

from lite_gateway.errors import Refused

_ALGORITHM = "HS256"
_ISSUER = "lite-gateway"


@dataclass(frozen=True, slots=True)
class SessionTokens:
    """``secret`` signs; gateways that share it take each other's tokens."""

    secret: str = field(repr=False)
    valid_s: float

    def sign(self, session_id: str, mode: str, now_s: float) -> str:
        """The SDK takes a token that it cannot read for one of FULL mode."""
        claims = {
            "iss": _ISSUER,
            "sub": session_id,
            "iat": int(now_s),
            "exp": int(now_s + self.valid_s),
            "start_session_data": {"mode": mode},
        }
        return jwt.encode(claims, self.secret, _ALGORITHM)

    def session_id(self, token: str) -> str:
        """Whose token this is, or `Refused` with 401 and the reason."""
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
                401, "the session token has expired; mint a new one"
            ) from None
        except jwt.InvalidTokenError as wrong:
            raise Refused(
                401,
                f"the session token is not one of this server ({wrong}); "
                "mint one with POST /v1/sessions/token",
            ) from None
        return str(claims["sub"])
