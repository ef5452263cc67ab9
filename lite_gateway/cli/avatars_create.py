"""Command ``avatars create``: ask for consent, and run the program `creation`."""

import argparse
import contextlib
import json
import subprocess
import sys
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn

from lite_gateway.child_process import cut_down, status_text
from lite_gateway.config import shipped_avatars
from lite_gateway.errors import ConfigError, GatewayError
from lite_gateway.foreign.text import foreign_text

CONSENT = "This is me, or I have this person's consent to make them speak."
_REFUSED = 2  # exit status: nothing was made
_MAX_TEXT = 1000  # characters of a result
_STEPS = {
    "face": "finding the face", "fit": "fitting the surface",
    "keyframes": "painting keyframes", "writing": "writing", "done": "done",
}  # fmt: skip


def create(args: argparse.Namespace, env: dict[str, str]) -> int:
    """Make a package of a photo and return the exit status."""
    if args.name is None:
        problem = "no photo is named"
        raise ConfigError("avatars create", problem, "Write create anna.jpg -o anna.")
    photo = Path(args.name)
    if not photo.is_file():
        problem = f"{str(photo)!r} is not a file"
        raise ConfigError("avatars create", problem, "Name a photo.")
    if args.output is None:
        fix = "Name the folder to make, such as -o packages/anna."
        raise ConfigError("--output", "is missing", fix)
    by = _consent(args.consent)
    if by is None:
        return _refuse_without_consent(as_json=args.json)
    return _run(_arguments(args, photo, by), env, as_json=args.json)


def _refuse_without_consent(*, as_json: bool) -> int:
    code = "no_consent"
    text = (
        "Nothing was made. Confirm on a terminal, or with --consent "
        f'"NAME": "{CONSENT}"'
    )
    if as_json:
        line = json.dumps({"type": "refused", "code": code, "text": text})
        sys.stdout.write(f"{line}\n")
    else:
        sys.stderr.write(f"{code}: {text}\n")
    return _REFUSED


def _consent(given: str | None) -> str | None:
    """Return who confirms `CONSENT`; None without a yes."""
    if given is not None:
        return given.strip() or None
    if not sys.stdin.isatty():
        return None
    console = Console(stderr=True)
    console.print(CONSENT)
    try:
        if console.input("Yes or no? ").strip().lower() not in {"y", "yes"}:
            return None
        return console.input("Your name, for the package: ").strip() or None
    except EOFError:
        return None


def _arguments(args: argparse.Namespace, photo: Path, by: str) -> list[str]:
    """Return the arguments of the program."""
    options = {
        "output": args.output,
        "by": by,
        "title": args.title or photo.stem.replace("_", " ").title(),
        "avatars": shipped_avatars(),
    }
    for option in ("background", "smile", "jaw", "donor"):
        if (value := getattr(args, option)) not in (None, ""):
            options[option] = value
    # A value may begin with a dash, such as a name of a file.
    return [*(f"--{name}={value}" for name, value in options.items()), "--", str(photo)]


def _run(arguments: Sequence[str], env: dict[str, str], *, as_json: bool) -> int:
    """Run the program, show its progress, and return its exit status."""
    # -P: no module is taken from the current folder, in which the photo may be.
    # By stdin: other users of the machine can read the arguments of a command.
    command = [sys.executable, "-P", "-m", "creation", "-"]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
        env=cut_down(env),
    ) as child:  # fmt: skip
        assert child.stdin is not None
        assert child.stdout is not None
        try:
            with contextlib.suppress(BrokenPipeError), child.stdin:
                child.stdin.write(json.dumps(["--json", *arguments]) + "\n")
            if as_json:
                for line in child.stdout:
                    sys.stdout.write(line)
                    sys.stdout.flush()
            else:
                _show(json.loads(line) for line in child.stdout)
        except BaseException:  # such as Ctrl-C
            child.terminate()
            raise
    if child.returncode not in (0, _REFUSED):
        raise GatewayError(
            f"the program that makes avatars ended: {status_text(child.returncode)}. "
            "Its error is above; report it with the version of lite-gateway."
        )
    return child.returncode


def _show(lines: Iterable[Mapping[str, object]]) -> None:
    """Show the progress that the program prints, and then its result."""
    bar = Progress(
        TextColumn("{task.description}"), BarColumn(), TaskProgressColumn(),
        console=Console(stderr=True),
    )  # fmt: skip
    results: list[str] = []
    with bar:
        task = bar.add_task("starting", total=1.0)
        for line in lines:
            match line:
                case {"type": "progress", "step": str(step), "share": float(share)}:
                    text = _STEPS.get(step, step)
                    bar.update(task, completed=share, description=text)
                case {"type": "warning", "text": str(text)}:
                    results.append(f"warning: {text}")
                case {"type": "refused", "code": str(code), "text": str(text)}:
                    results.append(f"{code}: {text}")
                case {"type": "done", "package": str(made), "preview": str(page)}:
                    results += [made, page]
    for result in results:
        sys.stdout.write(foreign_text(result, limit=_MAX_TEXT) + "\n")
