"""Changes in the folder of avatars while the gateway runs."""

import json
import shutil
from pathlib import Path

import pytest

from bench.probe.stack import running_gateway
from lite_gateway.config import shipped_avatars
from tests.waiting import until

pytestmark = pytest.mark.livekit


def listed(gateway) -> dict[str, dict]:
    items = gateway.call("GET", "/v1/avatars")["results"]
    return {item["name"]: item for item in items}


@pytest.mark.slow
def test_a_gateway_without_an_avatar_waits_for_the_first_one(livekit, tmp_path):
    folder, log = tmp_path / "avatars", tmp_path / "gateway.log"
    folder.mkdir()
    server = (livekit.url, livekit.key, livekit.secret, log)
    env = {"LITE_AVATARS": str(folder), "LITE_DEFAULT_AVATAR": "mira"}
    with running_gateway(*server, ready=False, **env) as gateway:
        until(lambda: "not ready: there is no avatar;" in log.read_text())
        refused = gateway.get("/ready")
        assert refused.status_code == 503
        assert "no avatar could be loaded" in refused.text

        shutil.copytree(shipped_avatars() / "fiducial", folder / "fiducial")
        until(lambda: gateway.get("/ready").status_code == 200)
        assert "there is no avatar mira, the default" in log.read_text()
    assert "Traceback" not in log.read_text()


@pytest.mark.slow
def test_changed_avatar_packages_are_loaded_while_the_gateway_runs(livekit, tmp_path):
    folder: Path = tmp_path / "avatars"
    shutil.copytree(shipped_avatars() / "fiducial", folder / "fiducial")
    with running_gateway(
        livekit.url,
        livekit.key,
        livekit.secret,
        tmp_path / "gateway.log",
        LITE_AVATARS=str(folder),
        LITE_DEFAULT_AVATAR="fiducial",
    ) as gateway:
        assert set(listed(gateway)) == {"fiducial"}
        assert gateway.create_session(avatar_id="zoe").status_code == 404

        shutil.copytree(folder / "fiducial", folder / "zoe")
        until(lambda: "zoe" in listed(gateway))
        assert gateway.create_session(avatar_id="zoe").is_success
        zoe = listed(gateway)["zoe"]["id"]
        assert gateway.create_session(avatar_id=zoe).is_success

        (folder / "zoe" / "avatar.json").write_text(json.dumps({"schema": 1}))
        until(lambda: listed(gateway)["zoe"]["status"] == "FAILED")
        assert "rig is missing" in listed(gateway)["zoe"]["error_message"]
        item = gateway.call("GET", f"/v1/avatars/{zoe}")
        assert item["error_message"] == listed(gateway)["zoe"]["error_message"]
        public = gateway.call("GET", "/v1/avatars/public")["results"]
        assert [item["name"] for item in public] == ["fiducial"]
        for name in ("zoe", zoe):
            refused = gateway.create_session(avatar_id=name)
            assert refused.status_code == 422
            assert "avatar zoe: its package is broken" in refused.json()["message"]

        shutil.rmtree(folder / "zoe")
        until(lambda: "zoe" not in listed(gateway))
