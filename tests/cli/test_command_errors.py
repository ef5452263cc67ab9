"""Commands of `lite-gateway` that cannot run say why, and what to do."""

import resource
import socket
from pathlib import Path

import pytest
import torch

ROOT = Path(__file__).parents[2]
FIDUCIAL = ROOT / "assets" / "avatars" / "fiducial"
HELLO = ROOT / "web" / "samples" / "hello.wav"
FEW = "few"  # stands for the folder of the fixture `few_avatars`
QUICK = ["--avatars", FEW, "--avatar", "fiducial"]

# Arguments of a gateway that could start if its other settings were right.
SERVE = ["serve", "--port", "0", "--livekit-url", "ws://x"]
SERVE += ["--livekit-api-key", "k", "--livekit-api-secret", "s"]


@pytest.mark.parametrize(
    ("arguments", "env", "words"),
    [
        (["serve"], {}, "LIVEKIT_URL"),
        (["serve"], {"LITE_PROT": "1"}, "LITE_PROT"),
        (["dev", "--host", "0.0.0.0"], {}, "loopback"),
        (["dev", "--port", "many"], {}, "whole number"),
        (
            [
                "serve",
                "--host",
                "0.0.0.0",
                "--api-keys",
                "dev",
                "--livekit-url",
                "ws://x",
            ],
            {"LIVEKIT_API_KEY": "k", "LIVEKIT_API_SECRET": "s"},
            "a key of your own",
        ),
        ([*SERVE, "--public-url", "avatars.example.com"], {}, "LITE_PUBLIC_URL"),
        (
            SERVE,
            {"LITE_DATABASE": "/proc/no.db", "LITE_API_KEYS": "k"},
            "LITE_DATABASE",
        ),
        (SERVE, {"LITE_STATE_KEY": "x", "LITE_API_KEYS": "k"}, "Fernet key"),
        (SERVE, {"LITE_API_KEYS_FILE": "/nowhere"}, "LITE_API_KEYS_FILE"),
        (SERVE, {"LITE_AVATARS": "/nowhere", "LITE_API_KEYS": "k"}, "LITE_AVATARS"),
        ([*SERVE, "--avatars", HELLO], {"LITE_API_KEYS": "k"}, "not the path of a f"),
        (SERVE, {}, "keys create"),
        (["keys", "create", "x", "--scopes", "all"], {}, "mint, admin"),
        (["keys", "revoke", "nobody"], {}, "keys list"),
        (["keys", "create", "x", "--rate", "-1"], {}, "from 0 to 1000000"),
        (["avatars", "check", "bob", "--avatars", FEW], {}, "fiducial"),
        (["avatars", "check", "./bob"], {}, "does not exist"),
        (["avatars", "preview", FIDUCIAL, "-o", "/no/where.png"], {}, "No such file"),
        (["speak", "nothing.wav"], {}, "nothing.wav"),
        (
            ["speak", HELLO, "--url", "http://127.0.0.1:9"],
            {},
            "127.0.0.1:9: the connection was refused",
        ),
        (
            ["speak", HELLO, "--url", "http://gateway.invalid"],
            {},
            "gateway.invalid:80: its name is not known",
        ),
        (["speak", HELLO, "--url", "127.0.0.1:9"], {}, "use http://HOST:PORT"),
        (["speak", HELLO, "--url", "localhost:9"], {}, "use http://HOST:PORT"),
        (
            ["render", HELLO, "-o", "/nowhere/x.mp4", *QUICK],
            {},
            "x.mp4 cannot be written",
        ),
        (
            ["render", HELLO, "-o", "x.mp4", "--avatar", "bob", "--avatars", FEW],
            {},
            "fiducial",
        ),
        (
            ["render", HELLO, "-o", "x.mp4", "--driver", "nowhere:x", *QUICK],
            {},
            "--driver: nowhere:x could not be loaded",
        ),
        (
            ["render", HELLO, "-o", "x.mp4", "--avatars", "/nowhere"],
            {},
            "--avatars: /nowhere is not a folder",
        ),
        (["avatars", "--avatars", HELLO], {}, "hello.wav is not a folder"),
        (["avatars", "create", "no.jpg", "-o", "x"], {}, "no.jpg"),
        (["face", "nothing.wav", "-o", "x.json"], {}, "nothing.wav"),
        (["face", HELLO, "-o", "/nowhere/x.json"], {}, "x.json cannot be written"),
        (["face", HELLO, "-o", "x", "--driver", "nowhere:x"], {}, "nowhere:x could"),
        (["face", HELLO, "-o", "x", "--phones", "no.json"], {}, "no.json"),
        (["worker"], {}, "LIVEKIT_URL"),
        (["secrets", "rotate"], {"LITE_STATE_KEY": "x"}, "Fernet key"),
        (["state", "restore", "no.db"], {}, "no.db"),
        # A file whose name would say another format than it has.
        (["render", "no.wav", "-o", "talk.avi"], {}, "ends with .mp4"),
        (["face", "no.wav", "-o", "talk.csv"], {}, "ends with .json"),
        (["avatars", "preview", "no", "-o", "no.jpg"], {}, "ends with .png"),
    ],
)
def test_command_that_cannot_run_says_why(
    lite_gateway, arguments, env, words, tmp_path, few_avatars
):
    arguments = [few_avatars if word == FEW else word for word in arguments]
    done = lite_gateway(*arguments, **{"LITE_DATABASE": str(tmp_path / "s.db"), **env})
    assert done.returncode == 1
    assert words in done.stderr
    assert "Traceback" not in done.stderr


def test_a_gpu_that_is_not_there_is_named(lite_gateway, monkeypatch, tmp_path):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    arguments = [HELLO, "-o", tmp_path / "x.mp4", "--device", "cuda"]
    done = lite_gateway("render", *arguments)
    assert done.returncode == 1
    assert "--device: torch finds no GPU" in done.stderr


def test_an_unknown_device_is_refused_with_those_that_exist(lite_gateway, tmp_path):
    output = tmp_path / "x.mp4"
    done = lite_gateway("render", HELLO, "-o", output, "--device", "tpu")
    assert done.returncode == 2
    assert "'auto', 'cpu', 'cuda'" in done.stderr
    assert not output.exists()


def test_a_folder_without_avatars_is_named(lite_gateway, tmp_path):
    done = lite_gateway(*("render", HELLO, "-o", "x.mp4", "--avatars", tmp_path))
    assert done.returncode == 1
    assert f"no avatar 'mira' in {tmp_path}" in done.stderr
    assert "Use one of" not in done.stderr


@pytest.mark.parametrize(
    "arguments",
    [
        ["face", HELLO, "-o"],
        ["avatars", "preview", "fiducial", "-o"],
        ["render", HELLO, *QUICK, "--quality", "128x128", "-o"],
    ],
)
def test_a_full_disk_leaves_no_part_of_a_result(
    lite_gateway, arguments, few_avatars, tmp_path
):
    output = tmp_path / "result"
    arguments = [few_avatars if word == FEW else word for word in arguments]
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100, hard))
    try:
        done = lite_gateway(*arguments, output)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert done.returncode == 1
    assert f"{output} cannot be written" in done.stderr
    assert not output.exists()


def test_port_in_use_is_reported_before_anything_starts(lite_gateway):
    with socket.create_server(("127.0.0.1", 0)) as server_socket:
        port = server_socket.getsockname()[1]
        done = lite_gateway("dev", "--port", port)
    assert done.returncode == 1
    assert f"127.0.0.1:{port}" in done.stderr
    assert "--port" in done.stderr


def test_development_key_in_a_key_file_is_refused_outside_loopback(
    lite_gateway, tmp_path
):
    (tmp_path / "keys").write_text("dev\n")
    done = lite_gateway(
        *(*SERVE, "--host", "0.0.0.0", "--api-keys-file", tmp_path / "keys"),
        *("--livekit-api-secret", "a LiveKit secret of at least 32 bytes"),
        LITE_DATABASE=str(tmp_path / "s.db"),
    )
    assert done.returncode == 1
    assert "a key of your own" in done.stderr
