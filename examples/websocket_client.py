"""Plain client: REST, a WebSocket and JSON, without any client library.

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

# These lines differ: the hosted service is https://api.liveavatar.com.
API = os.environ.get("LIVEAVATAR_URL", "http://127.0.0.1:8080")
KEY = os.environ.get("LIVEAVATAR_API_KEY", "dev")
AVATAR = os.environ.get("LIVEAVATAR_AVATAR_ID", "mira")


def post(call: str, headers: dict[str, str], **body: str) -> dict[str, str]:
    headers = {"Content-Type": "application/json", **headers}
    url, data = f"{API}/v1/sessions/{call}", json.dumps(body).encode()
    request = urllib.request.Request(url, data, headers)
    with urllib.request.urlopen(request) as response:
        return json.load(response)["data"]


async def main(path: str) -> None:
    created = post("token", {"X-API-KEY": KEY}, mode="LITE", avatar_id=AVATAR)
    bearer = {"Authorization": f"Bearer {created['session_token']}"}
    started = post("start", bearer)
    print("join", started["livekit_url"], "with", started["livekit_client_token"])
    async with connect(started["ws_url"]) as socket:
        with wave.open(path) as wav:  # 16 bit, mono, 24 kHz
            while pcm := wav.readframes(24_000):
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
