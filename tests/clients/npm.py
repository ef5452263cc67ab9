"""The example page with its packages, installed once in the user's cache."""

import os
import shutil
import subprocess
from pathlib import Path

from lite_gateway.cli.state import cache_dir
from tools.web_vendor import QUIET, npm

PAGE = Path(__file__).parents[2] / "examples" / "browser"
PINS = ("package.json", "package-lock.json")


def installed() -> Path:
    """The folder `node_modules`; `CalledProcessError` where npm could not."""
    folder = cache_dir(dict(os.environ)) / "web-sdk"
    wanted = (PAGE / PINS[1]).read_text()
    made = folder / "made"
    if not made.exists() or made.read_text() != wanted:
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        for name in PINS:
            shutil.copyfile(PAGE / name, folder / name)
        with npm() as command:
            subprocess.run([*command, "ci", *QUIET], cwd=folder, check=True)
        made.write_text(wanted)
    return folder / "node_modules"


def laid_out(folder: Path) -> Path:
    """A copy of the example as its reader has it after ``npm install``."""
    page = folder / "browser"
    shutil.copytree(PAGE, page, ignore=shutil.ignore_patterns("node_modules"))
    (page / "node_modules").symlink_to(installed())
    return page
