"""Print the requirements of extras of this project: tools/extras.py NAME..."""

import sys
import tomllib
from pathlib import Path

PYPROJECT = Path(__file__).parents[1] / "pyproject.toml"


def main() -> None:
    project = tomllib.loads(PYPROJECT.read_text())["project"]
    for name in sys.argv[1:]:
        for requirement in project["optional-dependencies"][name]:
            sys.stdout.write(f"{requirement}\n")


if __name__ == "__main__":
    main()
