"""House rules that a machine can keep: sizes, and one class for one name."""

import ast
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
