"""Declared dependencies, checked against the imports of the shipped packages."""

import ast
import re
import sys
import tomllib
from collections.abc import Iterator
from functools import cache
from importlib.metadata import distribution, packages_distributions
from importlib.util import find_spec

import pytest

from lite_gateway.conversation.extra import is_installed
from tests.packaging.conftest import ROOT

OPTIONAL = ("livekit.plugins.google", "google.genai")  # of an extra that few install
SHIPPED = ("protocol", "renderer", "lite_gateway", "conversation", "creation")


def third_party_imports() -> set[str]:
    """Return the dotted names of the modules that shipped code imports from others."""
    own = {*sys.stdlib_module_names, *SHIPPED}
    # Without an extra, nobody can say which distributions its imports come from.
    unknown = () if find_spec("livekit.agents") else ("conversation",)
    missing = tuple(name for name in OPTIONAL if not is_installed(name))
    return {
        name
        for package in SHIPPED
        if package not in unknown
        for path in (ROOT / package).rglob("*.py")
        for name in imported(ast.parse(path.read_text()))
        if name.split(".")[0] not in own and not name.startswith(missing)
    }


def imported(tree: ast.AST) -> Iterator[str]:
    """Yield dotted names of all imports below ``tree``, as specific as they stand."""
    for node in ast.walk(tree):
        match node:
            case ast.Import(names):
                yield from (alias.name for alias in names)
            case ast.ImportFrom(module=str(module), names=names, level=0):
                yield from (f"{module}.{alias.name}" for alias in names)


@cache
def modules_of(name: str) -> frozenset[str]:
    """Return the dotted names of the modules that a distribution installs."""
    files = distribution(name).files or ()
    paths = [path for path in files if path.suffix in (".py", ".so")]
    names = {path.as_posix().split(".")[0].removesuffix("/__init__") for path in paths}
    return frozenset(name.replace("/", ".") for name in names)


providers = cache(packages_distributions)


def distributions_of(module: str) -> set[str]:
    """
    Return the distributions that provide ``module``.

    Several distributions share the namespace ``livekit``. There the longest part of the
    name that one of them installs decides.
    """
    candidates = {*providers().get(module.split(".")[0], ())}
    while len(candidates) > 1 and module:
        if owners := {name for name in candidates if module in modules_of(name)}:
            return owners
        module = module.rpartition(".")[0]
    return candidates


def normalized(requirement: str) -> str:
    """Return the name in a requirement, in the spelling that PEP 503 compares."""
    match = re.match(r"[\w.-]*\w", requirement)
    assert match, requirement
    return re.sub(r"[-_.]+", "-", match[0]).lower()


def requirements() -> list[str]:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    dependencies: list[str] = project["dependencies"]
    # Each of these extras is imported only if it is there.
    extras: dict[str, list[str]] = project["optional-dependencies"]
    names = ("otel", "postgres", "agent", "speech", "gemini", "create")
    return [*dependencies, *(each for name in names for each in extras[name])]


def test_every_import_is_a_declared_dependency():
    owners = {name: distributions_of(name) for name in third_party_imports()}
    assert all(owners.values()), owners
    declared = {normalized(requirement) for requirement in requirements()}
    undeclared = {
        module: names
        for module, names in owners.items()
        if not {normalized(name) for name in names} <= declared
    }
    assert not undeclared


@pytest.mark.parametrize("requirement", requirements())
def test_every_dependency_has_a_lower_bound(requirement):
    assert ">=" in requirement or "==" in requirement
