"""
A plain client: a WebSocket and JSON, nothing of ours and nothing of the service's.

    python examples/websocket_client.py web/samples/hello.wav
"""

import asyncio
import base64
import json
import os
import sys
import urllib.request
import wave

from websockets.asyncio.client import connect

# The lines that differ; the hosted service is https://api.liveavatar.com.
API = os.environ.get("LIVEAVATAR_URL", "http://127.0.0.1:8080")
KEY = os.environ.get("LIVEAVATAR_API_KEY", "dev")
AVATAR = os.environ.get("LIVEAVATAR_AVATAR_ID", "ada")


def post(call: str, headers: dict[str, str], **body: str) -> dict[str, str]:
    sent = {"Content-Type": "application/json", **headers}
    url, data = f"{API}/v1/sessions/{call}", json.dumps(body).encode()
    with urllib.request.urlopen(urllib.request.Request(url, data, sent)) as answer:
        return json.load(answer)["data"]


async def main(path: str) -> None:
    minted = post("token", {"X-API-KEY": KEY}, mode="LITE", avatar_id=AVATAR)
    bearer = {"Authorization": f"Bearer {minted['session_token']}"}
    began = post("start", bearer)
    print("join", began["livekit_url"], "with", began["livekit_client_token"])
    async with connect(began["ws_url"]) as socket:
        with wave.open(path) as sound:  # PCM of 16 bit, mono, 24 kHz
            while pcm := sound.readframes(24_000):
                audio = base64.b64encode(pcm).decode()
                await socket.send(json.dumps({"type": "agent.speak", "audio": audio}))
        await socket.send(json.dumps({"type": "agent.speak_end"}))
        async for text in socket:
            print(text)
            if json.loads(text)["type"] == "agent.speak_ended":
                break
    post("stop", bearer)


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1]))
