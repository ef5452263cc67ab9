"""
Program that stands in for `creation`: it makes what the "photo" says.

The first line of the photo is what it does, the second one is the path of a package to
copy.
"""

import json
import os
import shutil
import signal
import sys
import time
from pathlib import Path

from creation.arguments import read_arguments


def say(**fields: object) -> None:
    sys.stdout.write(json.dumps(fields) + "\n")
    sys.stdout.flush()


def main() -> None:
    arguments = read_arguments()
    options = dict(
        text[2:].split("=", 1) for text in arguments if text.startswith("--o")
    )
    out = Path(options["output"])
    kind, package = Path(arguments[-1]).read_text().splitlines()[:2]
    work = out.parent / ".creating-1"
    work.mkdir(parents=True)
    (work / "unfinished").write_text("pixels")
    say(type="progress", step="face", share=0.1)
    match kind:
        case "hang":
            signal.signal(signal.SIGTERM, signal.SIG_IGN)
            time.sleep(600)
        case "compute":
            while True:
                pass
        case "die":
            os.kill(os.getpid(), signal.SIGKILL)
        case "flood":
            sys.stdout.write("x" * (1 << 20) + "\n[1]\nnonsense\n")
            sys.stdout.flush()
        case "full":
            say(type="refused", code="not_written", text=f"{out}: No space left.")
            sys.exit(2)
        case "refuse":
            say(type="refused", code="no_face", text="No face was found.")
            sys.exit(2)
    say(type="warning", code="teeth", text="The teeth are seen.")
    shutil.copytree(package, out)
    preview = out.with_name(f"{out.name}.png")
    preview.write_bytes(b"png")
    if kind == "die late":
        os.kill(os.getpid(), signal.SIGKILL)
    shutil.rmtree(work)
    say(type="done", package=str(out), preview=str(preview))


if __name__ == "__main__":
    main()
