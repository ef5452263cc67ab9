"""Preparation of the renderer in a thread, when the process ends meanwhile."""

import subprocess
import sys
import textwrap

import pytest
import torch

from lite_gateway.config import Config
from lite_gateway.errors import ConfigError
from lite_gateway.preparation import make_engine, prepare
from renderer.engine import Engine
from tests.waiting import PATIENCE_S

# A thread that Python stops within a native library aborts the process.
PROGRAM = textwrap.dedent(
    """
    import asyncio, sys, time
    from lite_gateway import preparation
    from lite_gateway.config import Config

    def prepare(config):
        time.sleep(0.5)
        print("prepared")

    async def stop_waiting(future):
        waiting = asyncio.wrap_future(future)
        await asyncio.sleep(0.1)
        waiting.cancel()

    preparation.prepare = prepare
    future = preparation.start_preparing(Config())
    if sys.argv[1] == "cancelled":
        asyncio.run(stop_waiting(future))
    sys.exit(3)
    """
)


@pytest.mark.process
@pytest.mark.parametrize("end", ["error", "cancelled"])
def test_a_process_that_ends_early_waits_for_its_preparation(end):
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, end],
        timeout=PATIENCE_S,
        capture_output=True,
        text=True,
    )
    assert (done.returncode, done.stdout, done.stderr) == (3, "prepared\n", "")


def test_a_rig_that_cannot_be_built_is_left_to_the_warm_up(monkeypatch):
    """The gateway starts then, is not ready, and tries again."""
    tried = []

    def fail(self, avatar, *size, seed):
        tried.append(avatar.name)
        raise RuntimeError("out of memory")

    monkeypatch.setattr(Engine, "open_session", fail)
    preparation = prepare(Config(device="cpu"))
    assert tried == [Config().default_avatar]
    assert preparation.packages.find(tried[0]) is not None


def test_drafts_of_a_killed_gateway_go_also_where_no_avatars_are_made(
    monkeypatch, tmp_path
):
    drafts = tmp_path / ".jobs-dead"
    (drafts / "job").mkdir(parents=True)
    (drafts / "lock").touch()
    (drafts / "job" / "ana.png").write_text("face")
    monkeypatch.setattr(Engine, "open_session", lambda *_, **__: None)
    prepare(Config(device="cpu", allow_create="off", created_avatars=str(tmp_path)))
    assert list(tmp_path.iterdir()) == []


def test_a_gpu_that_is_not_there_is_a_wrong_setting(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(ConfigError, match="LITE_DEVICE: torch finds no GPU"):
        make_engine(Config(device="cuda"))
