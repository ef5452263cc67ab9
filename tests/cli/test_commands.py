"""Commands of `lite-gateway`, called as from a shell."""

import shutil
import wave
import zipfile
from importlib.metadata import version
from pathlib import Path

import av
import numpy as np
import pytest

from tests.renderer.portrait.portraits import BOXES, HEIGHT, WIDTH

ROOT = Path(__file__).parents[2]
AVATARS = ROOT / "assets" / "avatars"
FIDUCIAL = AVATARS / "fiducial"
FEW = "few"  # stands for the folder of the fixture `few_avatars`
HELLO = ROOT / "web" / "samples" / "hello.wav"


def test_render_writes_a_talking_avatar_with_audio(lite_gateway, portrait, tmp_path):
    output = tmp_path / "talk.mp4"
    done = lite_gateway(
        *("render", HELLO, "-o", output, "--quality", f"{WIDTH}x{HEIGHT}"),
        *("--avatars", portrait.parent, "--avatar", portrait.name),
    )
    assert done.returncode == 0, done.stderr
    with wave.open(str(HELLO)) as wav:
        seconds = wav.getnframes() / wav.getframerate()
    with av.open(str(output)) as file:
        frames = [f.to_ndarray(format="gray") for f in file.decode(video=0)]
        assert file.streams.video[0].average_rate == 25
    with av.open(str(output)) as file:
        voice = np.concatenate([f.to_ndarray()[0] for f in file.decode(audio=0)])
    assert len(frames) / 25 == pytest.approx(seconds + 1.2, abs=0.1)
    assert len(voice) / 24_000 == pytest.approx(len(frames) / 25, abs=0.2)
    left, top, right, bottom = BOXES["mouth"]
    mouth = np.array(frames)[:, top:bottom, left:right].astype(float)
    motion = np.abs(np.diff(mouth, axis=0)).mean((1, 2))
    assert motion[20:60].mean() > 3 * motion[:10].mean()


def test_version_is_the_installed_one(lite_gateway):
    done = lite_gateway("--version")
    assert done.returncode == 0
    assert done.stdout == f"lite-gateway {version('lite-gateway')}\n"


def test_avatars_are_listed_and_previewed(lite_gateway, tmp_path):
    listing = lite_gateway("avatars")
    assert listing.returncode == 0
    for name in ("mira", "theo", "fiducial"):
        assert name in listing.stdout
    png = tmp_path / "fiducial.png"
    done = lite_gateway("avatars", "preview", "fiducial", "-o", png)
    assert done.returncode == 0, done.stderr
    with av.open(str(png)) as file:
        [frame] = file.decode(video=0)
    assert (frame.width, frame.height) == (512, 512)


def test_check_names_a_broken_package_and_fails(lite_gateway, tmp_path):
    (tmp_path / "bad").mkdir()
    (tmp_path / "bad" / "avatar.json").write_text("{")
    done = lite_gateway("avatars", "check", "--avatars", tmp_path)
    assert done.returncode == 1
    assert "bad" in done.stdout
    assert "JSON" in done.stdout


def pixels(path):
    with av.open(str(path)) as file:
        [frame] = file.decode(video=0)
    return frame.to_ndarray(format="gray").astype(int)


@pytest.mark.parametrize("words", [["--avatars", FEW, "check"], ["--avatars", FEW]])
def test_the_folder_of_avatars_may_come_before_the_action(
    lite_gateway, few_avatars, words
):
    done = lite_gateway("avatars", *(few_avatars if w == FEW else w for w in words))
    assert done.returncode == 0
    assert "fiducial" in done.stdout
    assert "mira" not in done.stdout


@pytest.mark.parametrize(
    ("action", "options"),
    [
        ("list", set()),
        ("check", set()),
        ("preview", {"--background", "--face", "--sheet", "--quality", "--output"}),
        ("create", {"--background", "--consent", "--smile", "--json", "--output"}),
    ],
)
def test_each_action_on_avatars_has_its_own_options(lite_gateway, action, options):
    shown = lite_gateway("avatars", action, "--help").stdout
    every = {"--background", "--face", "--sheet", "--quality", "--output", "--json"}
    assert {option for option in every | options if option in shown} == options
    refused = lite_gateway("avatars", action, "--scale", "2")
    assert refused.returncode == 2
    assert "unrecognized arguments: --scale" in refused.stderr


def test_check_takes_the_path_of_any_package(lite_gateway, tmp_path):
    shutil.copytree(FIDUCIAL, tmp_path / "eve")
    with zipfile.ZipFile(tmp_path / "zed.zip", "w") as out:
        out.write(FIDUCIAL / "avatar.json", "avatar.json")
    (tmp_path / "bad").mkdir()

    for path in ("eve", "zed.zip"):
        done = lite_gateway("avatars", "check", tmp_path / path)
        assert (done.returncode, "KiB" in done.stdout) == (0, True), done.stdout
    done = lite_gateway("avatars", "check", tmp_path / "bad")
    assert (done.returncode, "avatar.json cannot be read" in done.stdout) == (1, True)
    done = lite_gateway("avatars", "check", "eve", "--avatars", tmp_path)
    assert (done.returncode, "KiB" in done.stdout) == (0, True), done.stdout


def test_preview_draws_a_face_given_as_weights(lite_gateway, portrait, tmp_path):
    images = {}
    for name, weights in {
        "shut": "jawOpen=0",
        "open": "jawOpen=0.8,eyeBlink=1",
    }.items():
        path = tmp_path / f"{name}.png"
        done = lite_gateway(
            *("avatars", "preview", portrait, "--quality", f"{WIDTH}x{HEIGHT}"),
            *("--face", weights, "-o", path),
        )
        assert done.returncode == 0, done.stderr
        images[name] = pixels(path)
    changed = np.abs(images["open"] - images["shut"]) > 30
    for left, top, right, bottom in BOXES.values():  # the mouth and both eyes
        assert changed[top:bottom, left:right].any()


def test_preview_sheet_shows_every_viseme(lite_gateway, portrait, tmp_path):
    done = lite_gateway(
        *("avatars", "preview", portrait, "--sheet", "--quality", "128x128"),
        *("-o", tmp_path / "sheet.png"),
    )
    assert done.returncode == 0, done.stderr
    assert pixels(tmp_path / "sheet.png").shape == (6 * 128, 5 * 128)


@pytest.mark.parametrize(
    "weights", ["jawOpne=1", "jawOpen", "jawOpen=wide", "jawOpen=nan", ""]
)
def test_invalid_face_is_refused_with_a_valid_name(lite_gateway, weights):
    done = lite_gateway("avatars", "preview", "fiducial", "--face", weights)
    assert done.returncode == 2
    assert "jawOpen" in done.stderr


def test_driver_of_the_user_is_loaded_by_name(lite_gateway, portrait, tmp_path):
    motions = []
    for driver in (
        "tests.fakes:OpenJawDriver",
        "renderer.speech.lip_driver:LipsDriver",
    ):
        output = tmp_path / "talk.mp4"
        done = lite_gateway(
            *("render", HELLO, "-o", output, "--quality", f"{WIDTH}x{HEIGHT}"),
            *("--avatars", portrait.parent, "--avatar", portrait.name),
            *("--driver", driver),
        )
        assert done.returncode == 0, done.stderr
        with av.open(str(output)) as file:
            frames = [f.to_ndarray(format="gray") for f in file.decode(video=0)]
        left, top, right, bottom = BOXES["mouth"]
        mouth = np.array(frames)[25:60, top:bottom, left:right].astype(float)
        motions.append(np.abs(np.diff(mouth, axis=0)).mean())
    still, talking = motions
    assert talking > 1.5 * still


@pytest.mark.parametrize(
    "command",
    [
        [],
        ["serve"],
        ["dev"],
        ["speak"],
        ["render"],
        ["keys"],
        ["keys", "create"],
        ["secrets"],
        ["secrets", "rotate"],
        ["state"],
        ["state", "backup"],
    ],
)
def test_help_of_each_command_names_its_variables(lite_gateway, command):
    done = lite_gateway(*command, "--help")
    assert done.returncode == 0
    assert "LITE_" in done.stdout or command[:1] in (["render"], ["keys"], ["state"])


def test_keys_are_created_shown_once_listed_and_revoked(lite_gateway, tmp_path):
    env = {"LITE_DATABASE": str(tmp_path / "s.db")}
    created = lite_gateway("keys", "create", "robot", "--scopes", "mint,admin", **env)
    assert created.stdout.startswith("lg_")
    listing = lite_gateway("keys", "list", **env)
    assert "robot" in listing.stdout
    assert created.stdout.strip() not in listing.stdout
    revoked = lite_gateway("keys", "revoke", "robot", **env)
    assert "robot" in revoked.stdout
    again = lite_gateway("keys", "revoke", "robot", **env)
    assert again.returncode == 1


def test_secrets_rotate_uses_a_new_key_in_the_file_or_the_first_of_the_environment(
    lite_gateway, tmp_path
):
    env = {"LITE_DATABASE": str(tmp_path / "s.db")}
    lite_gateway("keys", "list", **env)
    before = (tmp_path / "state.key").read_text()
    done = lite_gateway("secrets", "rotate", **env)
    assert done.returncode == 0, done.stderr
    after = (tmp_path / "state.key").read_text()
    assert after.split()[1:] == before.split()
    env_keys = {**env, "LITE_STATE_KEY": ",".join(after.split())}
    refused = lite_gateway("secrets", "rotate", **env_keys)
    assert refused.returncode == 1
    assert "--reseal" in refused.stderr
    assert lite_gateway("secrets", "rotate", "--reseal", **env_keys).returncode == 0


def test_the_state_is_backed_up_and_restored_with_its_key(lite_gateway, tmp_path):
    old = {"LITE_DATABASE": str(tmp_path / "old" / "s.db")}
    new = {"LITE_DATABASE": str(tmp_path / "new" / "s.db")}
    lite_gateway("keys", "create", "robot", **old)
    files = (tmp_path / "backup.db", "--key", tmp_path / "backup.key")
    done = lite_gateway("state", "backup", *files, **old)
    assert done.returncode == 0, done.stderr
    done = lite_gateway("state", "restore", *files, **new)
    assert done.returncode == 0, done.stderr
    assert "1 API keys" in done.stdout
    assert "robot" in lite_gateway("keys", "list", **new).stdout
    again = lite_gateway("state", "restore", *files, **new)
    assert again.returncode == 1
    assert "--replace" in again.stderr


@pytest.mark.parametrize("option", ["--database", "--state"])
@pytest.mark.parametrize("variable", ["LITE_DATABASE", "LITE_STATE"])
def test_database_option_and_its_older_name_override_the_environment(
    lite_gateway, tmp_path, option, variable
):
    path = tmp_path / "chosen.db"
    env = {variable: str(tmp_path / "other.db")}
    done = lite_gateway("keys", "create", "robot", option, path, **env)
    assert done.returncode == 0, done.stderr
    assert path.exists()
    assert not (tmp_path / "other.db").exists()
    assert "robot" in lite_gateway("keys", "list", LITE_STATE=str(path)).stdout


def test_an_empty_database_option_leaves_the_environments(lite_gateway, tmp_path):
    """A script may pass a variable that is not set."""
    database = tmp_path / "env.db"
    done = lite_gateway(
        *("keys", "create", "robot", "--state", ""), LITE_DATABASE=str(database)
    )
    assert done.returncode == 0, done.stderr
    assert database.exists()


@pytest.mark.parametrize(
    "command",
    [
        ["serve"],
        ["dev"],
        ["worker"],
        ["keys", "list"],
        ["keys", "create", "robot"],
        ["keys", "revoke", "robot"],
        ["secrets", "rotate"],
    ],
)
def test_two_different_databases_are_refused(lite_gateway, tmp_path, command):
    done = lite_gateway(
        *(*command, "--database", tmp_path / "a.db", "--state", tmp_path / "b.db")
    )
    assert done.returncode == 1
    assert "--database: --state has a different value" in done.stderr
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("command", ["serve", "dev", "worker"])
def test_help_lists_the_database_and_its_older_name(lite_gateway, command):
    shown = lite_gateway(command, "--help").stdout
    for name in ("--database", "[LITE_DATABASE]", "--state", "[LITE_STATE]"):
        assert name in " ".join(shown.split())
