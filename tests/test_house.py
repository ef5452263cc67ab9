"""House rules that a machine can keep: sizes, and one class for one name."""

import ast
import re
from collections import Counter
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
SHIPPED = ("protocol", "renderer", "lite_gateway")
OWN = (*SHIPPED, "plugins", "bench", "training", "studio", "tools", "tests", "examples")
MAX_FILE_LINES = 400
MAX_FUNCTION_LINES = 60


def sources(*folders: str) -> list[Path]:
    return [
        path for folder in folders for path in sorted((ROOT / folder).rglob("*.py"))
    ]


def test_no_class_name_occurs_twice_in_what_is_shipped():
    names = Counter(
        node.name
        for path in sources(*SHIPPED)
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.ClassDef)
    )
    assert not {name: count for name, count in names.items() if count > 1}


@pytest.mark.parametrize("folder", OWN)
def test_files_and_functions_stay_readable(folder):
    for path in sources(folder):
        text = path.read_text()
        assert len(text.splitlines()) <= MAX_FILE_LINES, path
        for node in ast.walk(ast.parse(text)):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                length = (node.end_lineno or node.lineno) - node.lineno + 1
                assert length <= MAX_FUNCTION_LINES, f"{path}: {node.name}"


PAGES = (
    "*.md",
    "docs/*.md",
    "*/README.md",
    "plugins/*/README.md",
    "deploy/*/README.md",
)
PATH_IN_BACKTICKS = re.compile(r"`((?:[\w-]+/)+[\w.-]*[\w-])`")
LINK = re.compile(r"\]\((?!https?:|mailto:|#)([^)#\s]+)")
# Folders of the code, and folders below which a page names files by a shorter path.
BASES = ("", "lite_gateway", "renderer", "training", "deploy")


@pytest.mark.parametrize(
    "page",
    sorted({path for pattern in PAGES for path in ROOT.glob(pattern)}),
    ids=lambda page: page.relative_to(ROOT).as_posix(),
)
def test_pages_name_files_and_link_to_pages_that_exist(page):
    text = page.read_text()
    for link in LINK.findall(text):
        assert (page.parent / link).exists(), link
    if page.name == "CHANGELOG.md":
        return
    for name in PATH_IN_BACKTICKS.findall(text):
        if not name.endswith((".py", ".sh", ".md", ".yml")):
            continue
        assert any((ROOT / base / name).exists() for base in BASES), name
