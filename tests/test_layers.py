"""Import rules of ARCHITECTURE.md, checked in the source code."""

import ast
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
SHIPPED = ("protocol", "renderer", "lite_gateway", "conversation", "creation")
ALLOWED = {  # package -> imports besides itself and the standard library
    "protocol": {"orjson", "pybase64"},
    "renderer": {"torch", "numpy", "PIL"},
    "creation": {"torch", "numpy", "PIL", "pi_heif", "renderer"},
}
FORBIDDEN = {  # package -> imports that break a layer
    "protocol": {"asyncio", "time", "socket", "threading"},
    "renderer": {"asyncio", "socket", "lite_gateway", "protocol", "creation"},
    "lite_gateway": {
        *("bench", "tests", "training", "studio"),
        *("creation", "conversation", "openai", "httpx2"),
    },
    "conversation": {"bench", "tests", "training", "studio", "renderer", "creation"},
}
# Packages of LiveKit that only `conversation` imports: they block the event loop.
AGENTS = ("livekit.agents", "livekit.plugins")
# Modules of the gateway that its child processes may import.
SHARED = (
    *("lite_gateway.foreign", "lite_gateway.telemetry.logs", "lite_gateway.errors"),
    *("lite_gateway.threads", "lite_gateway.priority"),
)
CHILD_OF_CREATION = "creation.job"  # runs `creation` as a child process
# External library or inner package -> files and folders of lite_gateway that may
# import it.
DOORS = {
    "livekit": {"rooms", "datastream", "dispatch/worker.py"},
    "prometheus_client": {"metrics.py", "app.py"},
    "fastapi": {"app.py", "api"},
    "opentelemetry": {"telemetry/spans.py"},
    "uvicorn": {"server.py", "http/server_protocol.py"},
    "h11": {"http/server_protocol.py"},
    "alembic": {"store"},
    "cryptography": {"store"},
    "psycopg": {"store/postgres.py"},
    "sqlalchemy": {"store", "api", "sessions/recorder.py", "avatar_selection.py"},
    "soxr": {"datastream/resampler.py", "offline/wav.py"},
    "av": {"cli", "offline/wav.py"},
    "torch": set(),
    "renderer.device": {"preparation.py"},
    "renderer.engine": {
        "playout/batcher.py",
        "playout/render_threads.py",
        "cli",
        "preparation.py",
    },
    "renderer.avatar": {
        "avatar_selection.py",
        "avatars.py",
        "avatar_jobs",
        "service.py",
        "embedded.py",
        "api",
        "cli",
        "playout/render_threads.py",
        "sessions/assembly.py",
        "sessions/opener.py",
    },
    "renderer.rig": {"cli"},
    "renderer.speech": {
        "drivers.py",
        "cli",
    },
    "renderer.portrait": {"cli"},
    "renderer.fiducial": set(),
}


def modules(package: str) -> Iterator[tuple[str, Path]]:
    """Yield the dotted name and the path of every module of a package."""
    for path in sorted((ROOT / package).rglob("*.py")):
        parts = path.relative_to(ROOT).with_suffix("").parts
        yield ".".join(parts[:-1] if parts[-1] == "__init__" else parts), path


def imported(tree: ast.AST) -> Iterator[str]:
    """Yield the dotted names of all imports in ``tree``, as specific as possible."""
    for node in ast.walk(tree):
        match node:
            case ast.Import(names):
                yield from (name.name for name in names)
            case ast.ImportFrom(module=str(module), names=names, level=0):
                yield from (f"{module}.{name.name}" for name in names)


@cache
def parsed(path: Path) -> ast.Module:
    return ast.parse(path.read_text())


@cache
def imports(path: Path) -> frozenset[str]:
    return frozenset(imported(parsed(path)))


def roots(path: Path) -> set[str]:
    return {name.split(".")[0] for name in imports(path)}


def is_below(name: str, prefix: str) -> bool:
    return name == prefix or name.startswith(prefix + ".")


@pytest.mark.parametrize("package", ALLOWED)
def test_a_layer_imports_only_what_it_may(package):
    for name, path in modules(package):
        names = imports(path)
        if name == CHILD_OF_CREATION:
            names -= {n for n in names if any(is_below(n, at) for at in SHARED)}
        outside = {n.split(".")[0] for n in names} - sys.stdlib_module_names
        assert outside - {package} <= ALLOWED[package], path


@pytest.mark.parametrize("package", FORBIDDEN)
def test_a_layer_imports_nothing_forbidden(package):
    for _, path in modules(package):
        assert not roots(path) & FORBIDDEN[package], path


def test_only_the_child_processes_import_the_agents_framework():
    for package in ("protocol", "renderer", "lite_gateway"):
        for _, path in modules(package):
            found = [
                name for name in imports(path) for at in AGENTS if is_below(name, at)
            ]
            assert not found, path


@pytest.mark.parametrize(
    ("library", "door"), [("moonshine_voice", "recognizer"), ("hibari", "voices")]
)
def test_each_model_of_the_built_in_speech_is_imported_by_one_module(library, door):
    users = {
        name
        for package in SHIPPED
        for name, path in modules(package)
        if library in roots(path)
    }
    assert users == {f"conversation.speech.{door}"}


def test_the_child_processes_import_little_of_the_gateway():
    for _, path in modules("conversation"):
        own = [name for name in imports(path) if is_below(name, "lite_gateway")]
        assert not [n for n in own if not any(is_below(n, at) for at in SHARED)], path


@pytest.mark.parametrize("outside", DOORS)
def test_each_external_library_is_imported_only_by_its_modules(outside):
    gateway = ROOT / "lite_gateway"
    users = {
        path.relative_to(gateway).as_posix()
        for _, path in modules("lite_gateway")
        if any(is_below(name, outside) for name in imports(path))
    }
    doors = DOORS[outside]
    through = {u: [d for d in doors if u == d or u.startswith(d + "/")] for u in users}
    assert not [user for user, via in through.items() if not via]
    assert doors == {door for via in through.values() for door in via}


def test_only_the_native_code_and_its_callers_import_ctypes():
    users = {
        path.relative_to(ROOT)
        for package in SHIPPED
        for _, path in modules(package)
        if "ctypes" in roots(path)
    }
    assert Path("renderer/native/library.py") in users
    users.remove(Path("lite_gateway/rooms/sdk_events.py"))  # LiveKit's native part
    native = {path for path in users if path.parent == Path("renderer/native")}
    assert all(path.match("renderer/*/native_*.py") for path in users - native)


def reads_environment(path: Path) -> bool:
    for node in ast.walk(parsed(path)):
        match node:
            case ast.Attribute(value=ast.Name("os"), attr="environ" | "getenv"):
                return True
            case ast.ImportFrom(module="os", names=names):
                if {"environ", "getenv"} & {name.name for name in names}:
                    return True
    return False


def test_only_main_reads_the_environment():
    readers = {
        name
        for package in SHIPPED
        for name, path in modules(package)
        if reads_environment(path)
    }
    assert readers == {"lite_gateway.__main__"}


def runtime_imports(path: Path) -> set[str]:
    """Return the imports that run on import: not in functions, not for types."""
    names = set()
    nodes: list[ast.AST] = [parsed(path)]
    while nodes:
        for node in ast.iter_child_nodes(nodes.pop()):
            match node:
                case ast.FunctionDef() | ast.AsyncFunctionDef():
                    continue
                case ast.If(test=ast.Name("TYPE_CHECKING")):
                    continue
                case ast.Import() | ast.ImportFrom():
                    names |= set(imported(node))
                case _:
                    nodes.append(node)
    return names


def test_imports_have_no_cycles():
    known = {name: path for package in SHIPPED for name, path in modules(package)}

    def module_of(name: str) -> str | None:
        while name and name not in known:
            name = name.rpartition(".")[0]
        return name or None

    graph = {
        name: {module_of(other) for other in runtime_imports(path)} - {None, name}
        for name, path in known.items()
    }
    done: set[str] = set()

    def visit(name: str, trail: tuple[str, ...]) -> None:
        assert name not in trail, " -> ".join((*trail[trail.index(name) :], name))
        if name not in done:
            for other in sorted(graph[name]):
                visit(other, (*trail, name))
            done.add(name)

    for name in graph:
        visit(name, ())
