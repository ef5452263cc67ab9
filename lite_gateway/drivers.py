"""Loading of speech-to-face drivers named as module:factory."""

import importlib
import logging
import sys
from pathlib import Path

from lite_gateway.errors import ConfigError
from renderer.speech.driver import Driver

log = logging.getLogger(__name__)

_FIX = "Name the factory of a driver as module:factory."


def load_driver(name: str) -> Driver | None:
    """The factory named ``module:factory``, called; None for the driver built in."""
    if not name:
        return None
    module, _, factory = name.partition(":")
    here = str(Path.cwd())
    if here not in sys.path:
        sys.path.append(here)  # a driver of one's own need not be installed
    try:
        driver: Driver = getattr(importlib.import_module(module), factory)()
    except Exception as failed:  # boundary: it is somebody else's, and does anything
        log.debug("no driver %s", name, exc_info=True)
        problem = f"{name!r} could not be loaded ({type(failed).__name__}: {failed})"
        raise ConfigError("LITE_DRIVER", problem, _FIX) from None
    for method in ("begin", "drive"):
        if not callable(getattr(driver, method, None)):
            kind = type(driver).__name__
            problem = f"{name!r} returned {kind}, which has no {method}()"
            raise ConfigError("LITE_DRIVER", problem, _FIX)
    return driver
