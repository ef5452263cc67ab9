"""Check of the coverage that `make test` prints."""

import json

import pytest

from tools import coverage_floors


@pytest.fixture
def report_path(tmp_path):
    """Coverage of one package: 3 of 4 lines and 0 of 1 branch, so 60 %."""
    summary = {"covered_lines": 3, "num_statements": 4, "covered_branches": 0}
    missing = {"missing_lines": [3], "missing_branches": [[2, 3]]}
    files = {"wide/a.py": {"summary": {**summary, "num_branches": 1}, **missing}}
    path = tmp_path / "coverage.json"
    path.write_text(json.dumps({"files": files}))
    return path


@pytest.mark.parametrize(
    ("floor", "status", "text"),
    [(61, 1, "It fell"), (60, 0, "floor 60 %\n"), (58, 0, "Raise the floor to 60")],
)
def test_coverage_below_the_floor_fails(
    report_path, monkeypatch, tmp_path, capsys, floor, status, text
):
    project = tmp_path / "pyproject.toml"
    project.write_text(f"[tool.coverage-floors]\nwide = {floor}\n")
    monkeypatch.setattr(coverage_floors, "PROJECT", project)
    assert coverage_floors.main(str(report_path)) == status
    output = capsys.readouterr().out
    assert text in output
    places = ["wide/a.py:3\n", "wide/a.py:2 to 3\n"]
    assert [place in output for place in places] == [status == 1] * 2


def test_a_package_without_files_is_not_covered():
    assert coverage_floors.percentages({"files": {}}, ["gone"]) == {"gone": 0.0}
