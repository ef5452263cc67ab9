"""
Print the software bill of materials as CycloneDX JSON, from the lock files.

It lists the Python packages of the gateway and of the image's extras, and the browser
libraries of the demo page, with their hashes.
"""

import base64
import json
import re
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

ROOT = Path(__file__).resolve().parents[1]
PYTHON_LOCKS = ("requirements.lock", "requirements-image.lock")
BROWSER_LOCK = Path("web") / "package-lock.json"
_PINNED = re.compile(r"([\w.-]+)(?:\[[^]]*\])?==([^\s;\\]+)(?: *; *([^\\]*[^\\\s]))?")
_HASH = re.compile(r"--hash=sha256:([0-9a-f]{64})")

Component = dict[str, Any]


def python_components(text: str) -> Iterator[Component]:
    """Yield a component for each pinned package of a lock file of pip."""
    for requirement in text.replace("\\\n", " ").splitlines():
        pinned = _PINNED.match(requirement.strip())
        if pinned is None:
            raise ValueError(f"not a pinned requirement: {requirement[:60]!r}")
        name, version, marker = pinned.groups()
        component = _component(f"pkg:pypi/{name.lower()}@{quote(version)}")
        component |= {"name": name, "version": version}
        component["hashes"] = [
            {"alg": "SHA-256", "content": digest}
            for digest in _HASH.findall(requirement)
        ]
        if marker := (marker or "").split("--hash")[0].strip():
            component["properties"] = [{"name": "python:marker", "value": marker}]
        yield component


def browser_components(lock: dict[str, Any]) -> Iterator[Component]:
    """Yield a component for each package that the page is built from."""
    for path, package in lock["packages"].items():
        if not path or package.get("peer") or package.get("dev"):
            continue
        name, version = path.rpartition("node_modules/")[2], package["version"]
        component = _component(f"pkg:npm/{quote(name)}@{quote(version)}")
        component |= {"name": name, "version": version}
        component["licenses"] = [{"expression": package["license"]}]
        algorithm, _, digest = package["integrity"].partition("-")
        content = base64.b64decode(digest).hex()
        algorithm = algorithm.upper().replace("SHA", "SHA-")
        component["hashes"] = [{"alg": algorithm, "content": content}]
        yield component


def _component(purl: str) -> Component:
    return {"type": "library", "bom-ref": purl, "purl": purl}


def bill_of_materials() -> dict[str, Any]:
    """Return the whole document; the same lock files give the same document."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    components: dict[str, Component] = {}
    for name in PYTHON_LOCKS:
        for component in python_components((ROOT / name).read_text()):
            components.setdefault(component["purl"], component)
    for component in browser_components(json.loads((ROOT / BROWSER_LOCK).read_text())):
        components.setdefault(component["purl"], component)
    purl = f"pkg:pypi/{project['name']}@{project['version']}"
    own: Component = {"type": "application", "bom-ref": purl, "purl": purl}
    own |= {"name": project["name"], "version": project["version"]}
    own["licenses"] = [{"license": {"id": project["license"]}}]
    return {
        "bomFormat": "CycloneDX",
        "specVersion": "1.5",
        "version": 1,
        "metadata": {"component": own},
        "components": list(components.values()),
    }


def main() -> None:
    json.dump(bill_of_materials(), sys.stdout, indent=1)
    sys.stdout.write("\n")


if __name__ == "__main__":
    main()
