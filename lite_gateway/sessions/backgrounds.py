"""Bound of the backgrounds that sessions show at once: each takes a rig of its own."""

from collections.abc import Iterable, Sequence

from lite_gateway.sessions.session_config import SessionConfig

# A rig takes 37 MB at 512x512 and 57 MB from 720p on. With the four that are kept for
# later sessions (`renderer.rig_cache`) that is 0.6 and 0.9 GB at most.
MAX_BACKGROUNDS = 12


def other_backgrounds(
    configs: Iterable[SessionConfig],
) -> set[tuple[str, str, str]]:
    """Return avatar, size and background, where it is not the avatar's own one."""
    return {
        (config.avatar, config.quality.name, config.background)
        for config in configs
        if config.background
    }


def refusal(running: Sequence[SessionConfig], config: SessionConfig) -> str | None:
    """Return why a session cannot start beside ``running``, and what to do; or None."""
    shown = other_backgrounds(running)
    if len(shown) < MAX_BACKGROUNDS or other_backgrounds([config]) <= shown:
        return None
    return (
        f"the running sessions show {len(shown)} different backgrounds (of each avatar "
        f"and size), and {MAX_BACKGROUNDS} is the maximum; use one of them, leave "
        "background out, or try again later"
    )
