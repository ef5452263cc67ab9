"""Example page with its npm packages, which are installed once into the cache."""

import os
import shutil
import subprocess
from pathlib import Path

from lite_gateway.cli.folders import cache_dir
from tools.web_vendor import QUIET, npm

PAGE = Path(__file__).parents[2] / "examples" / "browser"
PINS = ("package.json", "package-lock.json")


def installed() -> Path:
    """Return `node_modules` of the example; `CalledProcessError` if npm fails."""
    folder = cache_dir(dict(os.environ)) / "web-sdk"
    lock = (PAGE / PINS[1]).read_text()
    installed_lock = folder / "made"
    if not installed_lock.exists() or installed_lock.read_text() != lock:
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        for name in PINS:
            shutil.copyfile(PAGE / name, folder / name)
        with npm() as command:
            subprocess.run([*command, "ci", *QUIET], cwd=folder, check=True)
        installed_lock.write_text(lock)
    return folder / "node_modules"


def copy_example(folder: Path) -> Path:
    """Copy the example to ``folder``, as it is after ``npm install``."""
    page = folder / "browser"
    shutil.copytree(PAGE, page, ignore=shutil.ignore_patterns("node_modules"))
    (page / "node_modules").symlink_to(installed())
    return page
