"""Loading of speech-to-face drivers named as module:factory."""

import importlib
import logging
import re
import sys
from pathlib import Path

from lite_gateway.errors import ConfigError
from lite_gateway.foreign.text import foreign_text
from renderer.speech.driver import Driver

log = logging.getLogger(__name__)

_NAME = re.compile(r"[a-zA-Z_][\w.]*:[a-zA-Z_]\w*", re.ASCII)
_FIX = "Name the factory of a driver as module:factory."


def load_driver(name: str, setting: str = "LITE_DRIVER") -> Driver | None:
    """
    Call the factory ``module:factory``; None stands for the built-in driver.

    Raises `ConfigError`, with the name of the option or variable in ``setting``.
    """
    if not name:
        return None
    module, _, factory = name.partition(":")
    folder = str(Path.cwd())
    if folder not in sys.path:
        sys.path.append(folder)  # users need not install their driver as a package
    try:
        driver: Driver = getattr(importlib.import_module(module), factory)()
    except Exception as error:  # boundary: code of the user, which may raise anything
        log.debug("driver %s could not be loaded", name, exc_info=True)
        # A text that is no name may be a secret that was pasted into this setting.
        is_name = bool(_NAME.fullmatch(name))
        shown = name if is_name else "it"
        reason = foreign_text(error, secrets=() if is_name else (name, module, factory))
        problem = f"{shown} could not be loaded ({type(error).__name__}: {reason})"
        raise ConfigError(setting, problem, _FIX) from None
    for method in ("begin", "drive"):
        if not callable(getattr(driver, method, None)):
            kind = type(driver).__name__
            problem = f"the factory returned {kind}, which has no {method}()"
            raise ConfigError(setting, problem, _FIX)
    return driver
