"""House rules that a machine can check: sizes, class names, and retired words."""

import ast
import re
from collections import Counter
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
SHIPPED = ("protocol", "renderer", "lite_gateway", "conversation", "creation")
OWN = (*SHIPPED, "plugins", "bench", "training", "studio", "tools", "tests", "examples")
BEGINS_NO_DOCSTRING = {
    *("How", "Of", "What", "When", "Where", "Which", "Who", "Whose", "Why"),
}
MAX_FILE_LINES = 400
MAX_FUNCTION_LINES = 60

# Words of earlier versions that only this repository used, and the field's words. The
# list has no word that could mean anything else.
RETIRED_WORDS = {
    "cushion": "jitter buffer",
    "forsaken": "abandoned",
    "goodbye": "close reason",
    "hardship": "augmentation",
    "hunger": "underrun",
    "ledger": "recorder or history",
    "mouthing": "mouth weights",
    "rehearse": "warm up",
    "SignalDriver": "a driver of tests/fakes.py",
    "take_seat": "claim_identity",
    "untold": "outbox",
}
RETIRED_CLASSES = {
    "Cue": "RigInput",
    "Fullness": "WorkerLoad",
    "Heard": "AudioChunk",
    "OwnRoom": "ExternalRoom",
    "Shot": "FrameRequest",
    "Stage": "RenderSession",
}
RETIRED_MODULES = {
    "callers": "api_keys",
    "floor": "speech_queue",
    "sealing": "encryption",
    "shelf": "package",
    "wanted": "session_requests",
}


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


@pytest.mark.parametrize("folder", OWN)
def test_docstrings_begin_with_a_verb_or_a_noun(folder):
    documented = ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef
    for path in sources(folder):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, documented):
                first = (ast.get_docstring(node) or "").partition(" ")[0]
                assert first not in BEGINS_NO_DOCSTRING, f"{path}: {first} ..."


def native_sources() -> list[Path]:
    folder = ROOT / "renderer" / "native"
    return sorted((*folder.glob("*.c"), *folder.glob("*.h")))


def test_native_files_and_functions_stay_readable():
    assert native_sources()
    for path in native_sources():
        lines = path.read_text().splitlines()
        assert len(lines) <= MAX_FILE_LINES, path
        begins = [number for number, line in enumerate(lines) if line == "{"]
        for begin in begins:
            length = lines[begin:].index("}") + 1
            assert length <= MAX_FUNCTION_LINES, f"{path}:{begin}"


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


TEST_IN_BACKTICKS = re.compile(r"`(tests/[\w/]+\.py)::(\w+)`")


@pytest.mark.parametrize("page", ["reliability", "threats"])
def test_pages_name_tests_that_exist(page):
    named = TEST_IN_BACKTICKS.findall((ROOT / "docs" / f"{page}.md").read_text())
    assert named
    missing = [
        f"{path}::{name}"
        for path, name in named
        if not (ROOT / path).exists()
        or not re.search(rf"^(async )?def {name}\(", (ROOT / path).read_text(), re.M)
    ]
    assert not missing


def test_the_table_of_faults_has_every_finding_in_order_and_no_fault_twice():
    page = (ROOT / "docs" / "reliability.md").read_text()
    faults = page.partition("## What held")[0]
    numbers = [
        (kind == "C", int(number))
        for kind, number in re.findall(r"^\| ([FC])(\d+) \|", faults, re.M)
    ]
    assert numbers == sorted(numbers)
    findings = {(False, n) for n in range(1, 21)} | {(True, n) for n in range(1, 13)}
    assert set(numbers) == findings
    tried = Counter(re.findall(r"^\| (?:[^ |]{1,3} \| )?(\w[^|]*) \|", page, re.M))
    assert not [fault for fault, count in tried.items() if count > 1]


def texts() -> list[Path]:
    """Return all code and pages, without the history and this list."""
    excluded = {ROOT / "CHANGELOG.md", Path(__file__)}
    pages = [path for pattern in PAGES for path in ROOT.glob(pattern)]
    code = (*sources(*OWN), *native_sources())
    return [path for path in (*pages, *code) if path not in excluded]


def test_no_mark_of_a_merge_is_left():
    mark = re.compile(r"^(<{7}|>{7}) ", re.MULTILINE)
    assert not [path for path in texts() if mark.search(path.read_text())]
    assert not mark.search((ROOT / "CHANGELOG.md").read_text())


def test_tables_of_pages_have_one_header():
    twice = re.compile(r"^(\|.*\|)\n\|[ :|-]+\|\n\1\n", re.MULTILINE)
    pages = [path for pattern in PAGES for path in ROOT.glob(pattern)]
    assert not [page for page in pages if twice.search(page.read_text())]


def test_retired_words_do_not_come_back():
    either = "|".join(RETIRED_WORDS)
    pattern = re.compile(rf"(?<![a-z])({either})s?(?![a-z])", re.IGNORECASE)
    replacements = {word.lower(): new for word, new in RETIRED_WORDS.items()}
    found = [
        f"{path.relative_to(ROOT)}:{number}: write {replacements[word.lower()]!r}"
        f" instead of {word!r}"
        for path in texts()
        for number, line in enumerate(path.read_text().splitlines(), start=1)
        for word in pattern.findall(line)
    ]
    assert not found, "\n".join(found)


def test_retired_names_of_classes_and_modules_do_not_come_back():
    found = [
        f"{path.relative_to(ROOT)}: {path.stem} is now {RETIRED_MODULES[path.stem]}"
        for path in sources(*SHIPPED)
        if path.stem in RETIRED_MODULES
    ]
    found += [
        f"{path.relative_to(ROOT)}:{node.lineno}: {node.name} is now {new}"
        for path in sources(*SHIPPED)
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.ClassDef)
        and (new := RETIRED_CLASSES.get(node.name.lstrip("_")))
    ]
    assert not found, "\n".join(found)
