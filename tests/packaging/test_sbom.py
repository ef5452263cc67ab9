"""Lock files with hashes, and the software bill of materials that is made of them."""

import json
import re
import subprocess
import sys

import pytest

from tests.packaging.conftest import ROOT
from tools import extras, sbom

LOCKS = (
    *("requirements.lock", "requirements-dev.lock", "requirements-image.lock"),
    *("requirements-native.lock", "tests/clients/requirements.lock"),
)


def pinned(lock: str) -> set[tuple[str, str]]:
    """Return the names and versions of a lock file."""
    components = sbom.python_components((ROOT / lock).read_text())
    return {(component["name"], component["version"]) for component in components}


@pytest.mark.parametrize("lock", LOCKS)
def test_every_locked_package_has_hashes_and_no_address(lock):
    text = (ROOT / lock).read_text()
    assert "://" not in text
    assert "index-url" not in text
    components = list(sbom.python_components(text))
    assert components
    assert not [it["name"] for it in components if not it["hashes"]]


def test_lock_files_agree():
    """Each is installed on top of the one before it, and must change none of it."""
    versions: dict[str, str] = {}
    for lock in ("requirements.lock", "requirements-dev.lock"):
        pins = dict(pinned(lock))
        shared = pins.keys() & versions.keys()
        assert shared or not versions
        assert {name: pins[name] for name in shared} == {
            name: versions[name] for name in shared
        }
        versions |= pins
    assert pinned("requirements-image.lock") <= pinned("requirements-dev.lock")


def test_the_lock_of_the_image_has_its_extras():
    command = [sys.executable, extras.__file__, "postgres", "otel"]
    ran = subprocess.run(command, capture_output=True, text=True, check=True)
    wanted = set(re.findall(r"^[\w-]+", ran.stdout, re.MULTILINE))
    assert len(wanted) > 2
    assert wanted <= {name for name, _ in pinned("requirements-image.lock")}


def test_everything_that_installs_a_lock_demands_hashes():
    for file in ("Makefile", "Dockerfile"):
        for line in (ROOT / file).read_text().splitlines():
            if re.search(r"-r \S+\.lock", line):
                assert "--require-hashes" in line, line
    assert "--require-hashes" in (ROOT / "tools" / "pip_runner.py").read_text()


def test_the_bill_of_materials_has_all_packages_and_libraries_with_hashes():
    command = [sys.executable, sbom.__file__]
    ran = subprocess.run(command, capture_output=True, text=True, check=True)
    document = json.loads(ran.stdout)
    assert (document["bomFormat"], document["specVersion"]) == ("CycloneDX", "1.5")
    components = document["components"]
    references = [component["bom-ref"] for component in components]
    assert len(set(references)) == len(references)
    assert all(component["hashes"] for component in components)
    names = {component["name"] for component in components}
    for lock in ("requirements.lock", "requirements-image.lock"):
        text = (ROOT / lock).read_text()
        assert set(re.findall(r"^[\w.-]+(?===)", text, re.MULTILINE)) <= names
    libraries = json.loads((ROOT / "web" / "package.json").read_text())["dependencies"]
    for name, version in libraries.items():
        assert f"pkg:npm/{name}@{version}" in references


def test_a_line_that_pins_nothing_is_no_bill_of_materials():
    with pytest.raises(ValueError, match="not a pinned requirement"):
        list(sbom.python_components("torch>=2.6\n"))
