"""The folder of avatars of a gateway that runs."""

import json
import shutil
from pathlib import Path

import pytest

from bench.probe.stack import running_gateway
from lite_gateway.config import shipped_avatars
from tests.waiting import until

pytestmark = pytest.mark.livekit


def listed(gateway) -> dict[str, dict]:
    found = gateway.call("GET", "/v1/avatars")["results"]
    return {each["name"]: each for each in found}


@pytest.mark.slow
def test_changed_avatar_packages_are_loaded_while_the_gateway_runs(livekit, tmp_path):
    shelf: Path = tmp_path / "avatars"
    shutil.copytree(shipped_avatars() / "fiducial", shelf / "fiducial")
    with running_gateway(
        livekit.url,
        livekit.key,
        livekit.secret,
        tmp_path / "gateway.log",
        LITE_AVATARS=str(shelf),
        LITE_DEFAULT_AVATAR="fiducial",
    ) as gateway:
        assert set(listed(gateway)) == {"fiducial"}
        assert gateway.mint(avatar_id="zoe").status_code == 404

        shutil.copytree(shelf / "fiducial", shelf / "zoe")
        until(lambda: "zoe" in listed(gateway))
        assert gateway.mint(avatar_id="zoe").is_success
        zoe = listed(gateway)["zoe"]["id"]
        assert gateway.mint(avatar_id=zoe).is_success

        (shelf / "zoe" / "avatar.json").write_text(json.dumps({"schema": 1}))
        until(lambda: listed(gateway)["zoe"]["status"] == "FAILED")
        assert "rig is missing" in listed(gateway)["zoe"]["error_message"]
        told = gateway.call("GET", f"/v1/avatars/{zoe}")
        assert told["error_message"] == listed(gateway)["zoe"]["error_message"]
        public = gateway.call("GET", "/v1/avatars/public")["results"]
        assert [each["name"] for each in public] == ["fiducial"]
        for wanted in ("zoe", zoe):
            refused = gateway.mint(avatar_id=wanted)
            assert refused.status_code == 422
            assert "avatar zoe: its package is broken" in refused.json()["message"]

        shutil.rmtree(shelf / "zoe")
        until(lambda: "zoe" not in listed(gateway))
