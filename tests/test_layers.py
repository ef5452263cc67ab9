"""The layers of ARCHITECTURE.md, read off the imports."""

import ast
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
ALLOWED = {  # package -> what it may import besides itself and the standard library
    "protocol": {"orjson", "pybase64"},
    "renderer": {"torch", "numpy", "PIL"},
}
FORBIDDEN = {
    "protocol": {"asyncio", "time", "socket", "threading"},
    "renderer": {"asyncio", "socket"},
    "lite_gateway": {"bench", "tests"},
}
DOORS = {  # outside thing -> the modules and folders of lite_gateway that import it
    "livekit": {"publisher.py", "rooms.py", "datastream", "worker.py"},
    "prometheus_client": {"metrics.py", "app.py"},
    "fastapi": {"app.py", "auth.py", "api"},
    "alembic": {"store"},
    "cryptography": {"store"},
}


def imports(path: Path) -> set[str]:
    roots = set()
    for node in ast.walk(ast.parse(path.read_text())):
        match node:
            case ast.Import(names):
                roots |= {name.name.split(".")[0] for name in names}
            case ast.ImportFrom(module=str(module), level=0):
                roots.add(module.split(".")[0])
    return roots


@pytest.mark.parametrize("package", ALLOWED)
def test_a_layer_imports_only_what_it_may(package):
    for path in (ROOT / package).rglob("*.py"):
        outside = imports(path) - sys.stdlib_module_names - {package}
        assert outside <= ALLOWED[package], path


@pytest.mark.parametrize("package", FORBIDDEN)
def test_a_layer_imports_nothing_forbidden(package):
    for path in (ROOT / package).rglob("*.py"):
        assert not imports(path) & FORBIDDEN[package], path


@pytest.mark.parametrize("outside", DOORS)
def test_each_outside_thing_has_its_door(outside):
    gateway = ROOT / "lite_gateway"
    users = {
        path.relative_to(gateway).parts[0]
        for path in gateway.rglob("*.py")
        if outside in imports(path)
    }
    assert users == DOORS[outside]


def test_only_main_reads_the_environment():
    for path in (ROOT / "lite_gateway").rglob("*.py"):
        if "os.environ" in path.read_text():
            assert path.name == "__main__.py"
