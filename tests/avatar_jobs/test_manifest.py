"""Changes to the manifest of a draft that is kept."""

import json
import shutil
from dataclasses import replace

import pytest

from lite_gateway.avatar_jobs.manifest import ManifestChanges, change_manifest
from lite_gateway.errors import Refused
from renderer.avatar import load


@pytest.fixture
def draft(portrait, tmp_path):
    """Return a draft of one's own, which may be changed."""
    avatar = load(shutil.copytree(portrait, tmp_path / "draft"))
    return replace(avatar, is_cut_out=True)  # as all from photos; no image is read here


def manifest(draft) -> dict:
    return json.loads((draft.package.path / "avatar.json").read_bytes())


def test_title_and_colour_are_changed_and_the_rest_stays(draft):
    before = manifest(draft)
    change_manifest(draft, ManifestChanges("  Ana of June ", "#102030"))
    background = {"centre": "#102030", "edge": "#102030"}
    changed = {"title": "Ana of June", "background": background}
    assert manifest(draft) == {**before, **changed}
    load(draft.package.path)


def test_without_changes_the_file_is_not_written(draft):
    path = draft.package.path / "avatar.json"
    before = path.stat().st_mtime_ns
    change_manifest(draft, ManifestChanges())
    assert path.stat().st_mtime_ns == before


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        (ManifestChanges("A\u202eB"), r"U\+202E, which nobody sees: remove it"),
        (ManifestChanges("A" * 201), "title"),
        (ManifestChanges(background="mauve"), "background: "),
        (ManifestChanges(background="transparent"), "transparent is for sessions"),
    ],
)
def test_what_no_manifest_can_have_is_refused_and_changes_nothing(
    draft, changes, problem
):
    before = manifest(draft)
    with pytest.raises(Refused, match=problem) as refused:
        change_manifest(draft, changes)
    assert (refused.value.status, refused.value.code) == (422, "wrong_option")
    assert manifest(draft) == before
