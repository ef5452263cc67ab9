"""Pictures of the shipped avatars: painted small, and accepted by the loader."""

from lite_gateway.config import shipped_avatars
from renderer.avatar import load
from renderer.portrait.background import PackagedPicture
from tools.backgrounds import AVATARS, PICTURES, write

MAX_BYTES = 40_000


def test_the_pictures_are_small_and_in_every_shipped_portrait(tmp_path):
    painted = {path.stem: path.stat().st_size for path in write(tmp_path)}

    assert painted.keys() == PICTURES.keys()
    assert max(painted.values()) < MAX_BYTES
    for name in AVATARS:
        avatar = load(shipped_avatars() / name, trusted=True)
        assert avatar.pictures == tuple(sorted(PICTURES))
        assert avatar.is_cut_out
        for picture in avatar.pictures:
            assert PackagedPicture(avatar.package, picture).read().size == (960, 540)
