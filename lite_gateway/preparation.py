"""Avatars and renderer, loaded before the rest of the gateway."""

import logging
import threading
from concurrent.futures import Future
from dataclasses import dataclass
from pathlib import Path

from lite_gateway.avatar_jobs.folder import remove_abandoned
from lite_gateway.avatars import AvatarPackages
from lite_gateway.config import Config, shipped_avatars
from lite_gateway.drivers import load_driver
from lite_gateway.errors import ConfigError
from lite_gateway.threads import set_system_name
from lite_gateway.video_quality import WARM_QUALITY
from renderer.device import has_gpu
from renderer.engine import Engine

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Preparation:
    """Parts of a gateway that take long to load."""

    packages: AvatarPackages
    engine: Engine  # with the rig that most first sessions need


def prepare(config: Config) -> Preparation:
    """
    Load avatars and driver and build the default avatar's rig, which takes seconds.

    Raise `ConfigError` if the folder, the driver or the GPU cannot be used.
    """
    folder = shipped_avatars()
    if config.avatars:
        folder = Path(config.avatars).expanduser()
        if not folder.is_dir():
            fix = "Name a folder of avatar packages."
            raise ConfigError("LITE_AVATARS", "it is not the path of a folder", fix)
    engine = make_engine(config)
    created = Path(config.created_avatars).expanduser().absolute()
    if config.created_avatars:
        remove_abandoned(created)  # also where no more avatars are made
    packages = AvatarPackages(
        folder,
        created if config.created_avatars else None,
        trusted=not config.avatars,
    )
    avatar = packages.find(config.default_avatar)
    if avatar is not None:
        try:
            engine.open_session(avatar, WARM_QUALITY.width, WARM_QUALITY.height, seed=0)
        except Exception as error:  # boundary: a package that has changed, a full GPU
            # The warm-up tries again, and says if it is still so.
            log.debug("the rig of %s was not built: %s", avatar.name, error)
    return Preparation(packages, engine)


def make_engine(config: Config) -> Engine:
    """
    Load the driver and return the engine.

    Where a frame is drawn with torch, it uses the threads of the setting: torch would
    take every core and slow down the encoders. Raise `ConfigError` if the driver or the
    GPU cannot be used.
    """
    check_device(config.device)
    driver = load_driver(config.driver)
    return Engine(device=config.device, driver=driver, threads=config.render_threads)


def check_device(name: str, setting: str = "LITE_DEVICE") -> None:
    """
    Raise `ConfigError` if it is ``cuda`` and there is no GPU to use.

    ``setting`` is the name of the option or variable that the user has set.
    """
    if name == "cuda" and not has_gpu():
        problem = "torch finds no GPU that it can use"
        fix = "Use cpu or auto, or install the driver of the GPU."
        raise ConfigError(setting, problem, fix)


def start_preparing(config: Config) -> Future[Preparation]:
    """
    Prepare in a thread of its own: most of the work leaves the others running.

    A process that ends meanwhile, by Ctrl-C or an error, waits for the thread: Python
    would stop it within a native library, which aborts the process.
    """
    future: Future[Preparation] = Future()
    future.set_running_or_notify_cancel()  # who waits for it cannot cancel it

    def run() -> None:
        set_system_name("preparation")
        try:
            future.set_result(prepare(config))
        except BaseException as error:  # boundary: the caller gets it
            future.set_exception(error)

    threading.Thread(target=run, name="preparation").start()
    return future
