"""Response headers that browsers obey: content policies, frames and types."""

from collections.abc import Iterable
from urllib.parse import urlsplit

# On every response. A ws_url contains a secret, so no page may pass on its address.
SAFE_HEADERS = [
    ("X-Content-Type-Options", "nosniff"),
    ("Referrer-Policy", "no-referrer"),
]
# A client of LiveKit Cloud may be sent to another host of it.
_LIVEKIT_CLOUD = ".livekit.cloud"


def connect_sources(*urls: str) -> tuple[str, ...]:
    """Return the policy's sources for servers that a page opens connections to."""
    sources: dict[str, None] = {}
    for url in urls:
        parts = urlsplit(url)
        host = parts.netloc.rpartition("@")[2]
        if not host:
            continue
        secure = parts.scheme in ("wss", "https")
        if (parts.hostname or "").endswith(_LIVEKIT_CLOUD):
            host = f"*{_LIVEKIT_CLOUD}"
        schemes = ("wss", "https") if secure else ("ws", "http")
        sources |= dict.fromkeys(f"{scheme}://{host}" for scheme in schemes)
    return tuple(sources)


def page_headers(
    connect: Iterable[str], *, frames: str = "'none'", inline_styles: bool = False
) -> dict[str, str]:
    """
    Return the headers of a page that runs scripts of this server only.

    ``frames`` are the pages that may show it in a frame. ``inline_styles`` is for
    pages that write styles into their markup.
    """
    styles = "'self' 'unsafe-inline'" if inline_styles else "'self'"
    policy = {
        "default-src": "'none'",
        "script-src": "'self'",
        "style-src": styles,
        "img-src": "'self' data: blob:",
        "media-src": "'self' blob:",
        "worker-src": "'self' blob:",
        "connect-src": " ".join(("'self'", *connect)),
        "base-uri": "'none'",
        "form-action": "'none'",
        "frame-ancestors": frames,
    }
    headers = {
        "Content-Security-Policy": "; ".join(
            f"{name} {sources}" for name, sources in policy.items()
        )
    }
    if frames == "'none'":
        headers["X-Frame-Options"] = "DENY"
    return headers
