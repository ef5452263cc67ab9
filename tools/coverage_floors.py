"""
Compare the branch coverage of the unit tests with its floors in `pyproject.toml`.

``python tools/coverage_floors.py out/coverage.json`` fails if a package is covered less
than its floor, and lists what is not covered. If it is covered more, the text says to
which value the floor can rise.
"""

import json
import sys
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

MAX_PLACES = 20  # that the text lists
PROJECT = Path(__file__).resolve().parents[1] / "pyproject.toml"


def percentages(report: Mapping[str, Any], packages: list[str]) -> dict[str, float]:
    """Return the covered share of lines and branches of each package, in percent."""
    shares = {}
    for package in packages:
        covered = total = 0
        for path, of_file in report["files"].items():
            if Path(path).parts[0] == package:
                summary = of_file["summary"]
                covered += summary["covered_lines"] + summary["covered_branches"]
                total += summary["num_statements"] + summary["num_branches"]
        shares[package] = 100 * covered / total if total else 0.0
    return shares


def missing(report: Mapping[str, Any], package: str) -> list[str]:
    """Return the lines and branches of a package that no test reached, as places."""
    places = []
    for path, of_file in report["files"].items():
        if Path(path).parts[0] == package:
            places += [f"{path}:{line}" for line in of_file["missing_lines"]]
            places += [f"{path}:{a} to {b}" for a, b in of_file["missing_branches"]]
    return places


def verdict(package: str, share: float, floor: int) -> str:
    """Return a line about one package."""
    line = f"coverage: {package}: {share:.2f} %, floor {floor} %"
    if share < floor:
        return f"{line}. It fell: add tests for the code that is new."
    if int(share) > floor:
        return f"{line}. Raise the floor to {int(share)} in pyproject.toml."
    return line


def main(report_path: str) -> int:
    floors = tomllib.loads(PROJECT.read_text())["tool"]["coverage-floors"]
    report = json.loads(Path(report_path).read_text())
    shares = percentages(report, [*floors])
    for package, floor in floors.items():
        sys.stdout.write(verdict(package, shares[package], floor) + "\n")
        if shares[package] < floor:
            places = missing(report, package)
            lines = [*places[:MAX_PLACES], *(["..."] if places[MAX_PLACES:] else [])]
            sys.stdout.writelines(f"  not covered: {line}\n" for line in lines)
    return int(any(shares[package] < floor for package, floor in floors.items()))


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
