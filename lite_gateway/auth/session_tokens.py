"""Session tokens: signed JWTs whose payload the browser SDK reads."""

from dataclasses import dataclass, field
from typing import Any

import jwt

from lite_gateway.errors import Refused
from protocol.link.settings import Mode

_ALGORITHM = "HS256"
_ISSUER = "lite-gateway"
_CONFIGS: dict[str, str] = {
    "OPENAI_REALTIME": "openai_realtime_config",
    "GEMINI_REALTIME": "gemini_realtime_config",
}


@dataclass(frozen=True, slots=True)
class SessionTokens:
    """
    Signer and verifier of session tokens.

    Gateways with the same ``secret`` accept each other's tokens.
    """

    secret: str = field(repr=False)
    valid_s: float

    def sign(
        self, session_id: str, mode: str, now_s: float, agent: Mode | None = None
    ) -> str:
        """
        Return a token of the session that expires `valid_s` after ``now_s``, Unix time.

        ``mode`` is in the payload because the SDK assumes FULL mode if it finds none.
        ``agent`` is who speaks, None if clients do. The payload can be read by anyone
        who has the token, so it has no id of a secret.
        """
        start_data: dict[str, Any] = {"mode": mode}
        if agent is not None:
            start_data["agent_type"] = agent
        if agent in _CONFIGS:
            # Clients look whether it is there, and not into it.
            start_data[_CONFIGS[agent]] = {}
        claims = {
            "iss": _ISSUER,
            "sub": session_id,
            "iat": int(now_s),
            "exp": int(now_s + self.valid_s),
            "start_session_data": start_data,
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
