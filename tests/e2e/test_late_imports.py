"""The first requests import nothing large: that would block the event loop."""

from bench.probe.stack import running_gateway

COMMAND = ("-X", "importtime", "-m", "lite_gateway")  # logs each module


def test_a_request_in_a_thread_of_starlette_imports_no_backend(livekit, tmp_path):
    log = tmp_path / "gateway.log"
    with running_gateway(
        livekit.url, livekit.key, livekit.secret, log, command=COMMAND
    ) as gateway:
        ready = len(log.read_text(errors="replace"))
        assert gateway.create_session().status_code == 200
        gateway.active_sessions()
    text = log.read_text(errors="replace")
    assert "anyio._core" in text[:ready]
    assert "anyio" not in text[ready:]
