"""Changes to the manifest of a draft that is kept."""

import json
import shutil
from dataclasses import replace

import pytest

from lite_gateway.avatar_jobs.manifest import ManifestChanges, changed_manifest
from lite_gateway.errors import Refused
from renderer.avatar import load


@pytest.fixture
def draft(portrait, tmp_path):
    """Return a draft of one's own, which may be changed."""
    avatar = load(shutil.copytree(portrait, tmp_path / "draft"))
    return replace(avatar, is_cut_out=True)  # as all from photos; no image is read here


def change(draft, changes) -> dict | None:
    """Return the manifest with changes, as it is written; None if it is not."""
    with changed_manifest(draft, changes) as path:
        if path is None:
            return None
        assert path.parent == draft.package.path
        assert path.stat().st_mode & 0o777 == 0o600
        path.replace(draft.package.path / "avatar.json")
    load(draft.package.path)
    return manifest(draft)


def manifest(draft) -> dict:
    return json.loads((draft.package.path / "avatar.json").read_bytes())


def test_title_and_colour_are_changed_and_the_rest_stays(draft):
    before = manifest(draft)
    after = change(draft, ManifestChanges("  Ana of June ", "#102030"))
    background = {"centre": "#102030", "edge": "#102030"}
    assert after == {**before, "title": "Ana of June", "background": background}


def test_without_changes_no_file_is_written(draft):
    assert change(draft, ManifestChanges()) is None


def test_a_manifest_that_nobody_takes_is_removed(draft):
    before = manifest(draft)
    with (
        pytest.raises(OSError, match="moved"),
        changed_manifest(draft, ManifestChanges("Ana")) as path,
    ):
        raise OSError("the draft was not moved")
    assert not path.exists()
    assert manifest(draft) == before


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
        change(draft, changes)
    assert (refused.value.status, refused.value.code) == (422, "wrong_option")
    assert manifest(draft) == before
