"""Files of deploy/compose, checked by the tools that read them, where installed."""

import contextlib
import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import fields
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import httpx
import pytest
import yaml

from bench.probe.stack import free_port
from lite_gateway.config import Config
from lite_gateway.conversation.options import ConversationOptions
from lite_gateway.server import EXIT_GRACE_S
from lite_gateway.setting_fields import env_name
from tests.waiting import PATIENCE_S, until

COMPOSE = Path(__file__).parents[2] / "deploy" / "compose"
SECRETS = {
    "LIVEKIT_API_KEY": "gateway",
    "LIVEKIT_API_SECRET": "a secret of more than thirty-two letters",
    "LITE_API_KEYS": "a key of more than sixteen letters",
    "GRAFANA_PASSWORD": "a password",
}


def tool(name: str, package: str) -> str:
    path = shutil.which(name)
    if path is None:
        pytest.skip(f"{name} is not installed; it is in Debian's package {package}")
    return path


def compose_command() -> list[str]:
    """Return Compose as Docker's plugin, or else the older program."""
    docker = shutil.which("docker")
    if docker is not None:
        result = subprocess.run([docker, "compose", "version"], capture_output=True)
        if not result.returncode:
            return [docker, "compose"]
    return [tool("docker-compose", "docker-compose")]


def configured(tmp_path: Path, *more: str, **env: str) -> Any:
    """Return the configuration that Compose resolves with that environment."""
    command = compose_command()
    text = (COMPOSE / "compose.yaml").read_text()
    plain = tmp_path / "compose.yaml"
    # The older program does not accept a project name.
    plain.write_text(text.replace("name: lite-gateway\n", ""))
    ran = subprocess.run(
        [*command, "--project-directory", COMPOSE, "-f", plain, *more, "config"],
        capture_output=True,
        text=True,
        env={"PATH": os.environ["PATH"], "HOME": str(tmp_path), **env},
        check=False,
    )
    assert ran.returncode == 0, ran.stderr
    return yaml.safe_load(ran.stdout)


def read() -> Any:
    return yaml.safe_load((COMPOSE / "compose.yaml").read_text())


@pytest.mark.program
def test_compose_accepts_the_file_and_runs_caddy_only_with_its_profile(tmp_path):
    services = configured(tmp_path, **SECRETS)["services"]
    assert (
        services["gateway"]["environment"]["LITE_API_KEYS"] == SECRETS["LITE_API_KEYS"]
    )
    assert services["livekit"]["environment"]["LIVEKIT_KEYS"].startswith("gateway: a ")
    assert read()["services"]["caddy"]["profiles"] == ["tls"]
    assert "profiles" not in read()["services"]["gateway"]


@pytest.mark.program
def test_compose_accepts_the_file_for_a_gpu(tmp_path):
    gpu = configured(tmp_path, "-f", str(COMPOSE / "gpu.yaml"), **SECRETS)
    assert "nvidia" in str(gpu["services"]["gateway"]["deploy"])


@pytest.mark.program
@pytest.mark.parametrize("missing", SECRETS)
def test_compose_does_not_start_without_a_secret(tmp_path, missing):
    env = {name: text for name, text in SECRETS.items() if name != missing}
    with pytest.raises(AssertionError, match=missing):
        configured(tmp_path, **env)


def test_every_named_file_and_setting_exists():
    known = {env_name(name) for name in Config.__dataclass_fields__}
    for service in read()["services"].values():
        for mounted in service.get("volumes", ()):
            source = mounted.split(":")[0]
            if source.startswith(".") and "$" not in source:
                assert (COMPOSE / source).exists(), mounted
        for name in service.get("environment", {}):
            assert not name.startswith("LITE_") or name in known
    for profile in ("local", "public"):
        assert (COMPOSE / "livekit" / f"{profile}.yaml").exists()
    example = (COMPOSE / ".env.example").read_text()
    assert {name for name in SECRETS if f"{name}=" not in example} == set()


@pytest.mark.parametrize("service", ["gateway", "worker"])
def test_each_setting_of_conversations_can_be_set_and_has_its_default(service):
    passed = read()["services"][service]["environment"]
    for option in fields(ConversationOptions):
        name = env_name(option.name)
        assert passed[name] == f"${{{name}:-{option.default}}}"


def test_a_gateway_may_drain_before_docker_kills_it():
    unit_s = {"s": 1.0, "m": 60.0}
    for name in ("gateway", "worker"):
        service = read()["services"][name]
        grace = service["stop_grace_period"]
        grace_s = float(grace[:-1]) * unit_s[grace[-1]]
        drain_s = float(service["environment"]["LITE_DRAIN_S"])
        assert grace_s >= drain_s + EXIT_GRACE_S + 5, name


def test_the_image_is_unhealthy_only_if_its_process_must_be_started_again():
    """A full house or a LiveKit that is away must end no container."""
    dockerfile = (COMPOSE.parents[1] / "Dockerfile").read_text()
    [check] = re.findall(r"^HEALTHCHECK(?:.*\\\n)*.*$", dockerfile, re.MULTILINE)
    assert "/health" in check
    assert "/ready" not in check


def test_grafana_finds_the_dashboard_and_prometheus():
    services = read()["services"]
    listens = services["prometheus"]["command"][-1].split("=")[1]
    provisioning = COMPOSE / "grafana" / "provisioning"
    source = yaml.safe_load((provisioning / "datasources/prometheus.yaml").read_text())
    assert source["datasources"][0]["url"] == f"http://{listens}"
    files = yaml.safe_load((provisioning / "dashboards/files.yaml").read_text())
    path = files["providers"][0]["options"]["path"]
    assert f"../grafana:{path}:ro" in services["grafana"]["volumes"]


@pytest.mark.livekit
@pytest.mark.parametrize("profile", ["local", "public"])
def test_the_livekit_server_accepts_the_files(profile, livekit_binary, tmp_path):
    text = (COMPOSE / "livekit" / f"{profile}.yaml").read_text()
    # The public one asks a STUN server for its address; a test does not.
    config = tmp_path / "livekit.yaml"
    config.write_text(text.replace("use_external_ip: true", "use_external_ip: false"))
    ran = subprocess.run(
        [livekit_binary, "--config", config, "ports"],
        capture_output=True,
        text=True,
        env={"LIVEKIT_KEYS": f"gateway: {SECRETS['LIVEKIT_API_SECRET']}"},
        check=False,
    )
    for port in ("7880", "7881", "7882"):
        assert port in ran.stdout, ran.stderr


@pytest.mark.program
def test_caddy_accepts_its_configuration_and_its_format():
    caddy = tool("caddy", "caddy")
    file = COMPOSE / "Caddyfile"
    env = {**os.environ, "GATEWAY_DOMAIN": "a.example", "LIVEKIT_DOMAIN": "b.example"}
    command = [caddy, "validate", "--adapter", "caddyfile", "--config", file]
    ran = subprocess.run(command, capture_output=True, text=True, env=env, check=False)
    assert ran.returncode == 0, ran.stderr
    command = [caddy, "fmt", file]
    ran = subprocess.run(command, capture_output=True, text=True, check=True)
    assert ran.stdout == file.read_text()


class _Upstream(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.send_response(200)
        self.end_headers()
        self.wfile.write(f"{self.server.server_port} {self.path}".encode())

    def log_message(self, *_: object) -> None:
        """Log no requests."""


@contextlib.contextmanager
def upstream() -> Iterator[int]:
    with ThreadingHTTPServer(("127.0.0.1", 0), _Upstream) as server:
        thread = Thread(target=server.serve_forever)
        thread.start()
        try:
            yield server.server_port
        finally:
            server.shutdown()
            thread.join()


@pytest.mark.program
def test_caddy_routes_each_domain_and_hides_the_metrics(tmp_path):
    caddy, port = tool("caddy", "caddy"), free_port()
    with upstream() as gateway, upstream() as livekit:
        env = {
            **os.environ,
            "HOME": str(tmp_path),
            "XDG_DATA_HOME": str(tmp_path),
            "XDG_CONFIG_HOME": str(tmp_path),
            "GATEWAY_DOMAIN": f"http://127.0.0.1:{port}",
            "LIVEKIT_DOMAIN": f"http://localhost:{port}",
            "GATEWAY_UPSTREAM": f"127.0.0.1:{gateway}",
            "LIVEKIT_UPSTREAM": f"127.0.0.1:{livekit}",
        }
        command = [caddy, "run", "--adapter", "caddyfile", "--config"]
        with subprocess.Popen(
            [*command, COMPOSE / "Caddyfile"], env=env, stderr=subprocess.DEVNULL
        ) as process:
            try:
                answers(f"http://127.0.0.1:{port}/v1/x", f"{gateway} /v1/x")
                answers(f"http://localhost:{port}/rtc", f"{livekit} /rtc")
                url = f"http://127.0.0.1:{port}/metrics"
                hidden = httpx.get(url, timeout=PATIENCE_S)
                assert hidden.status_code == 404
            finally:
                process.terminate()


def answers(url: str, text: str) -> None:
    """Wait until a GET of ``url`` returns ``text``."""

    def read_answer() -> str:
        with contextlib.suppress(httpx.TransportError):
            return httpx.get(url, timeout=PATIENCE_S).text
        return ""

    assert until(read_answer) == text
