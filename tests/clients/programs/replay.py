"""
What the stock LiveKit plugin makes of conversations that were written down.

Standard input is JSON: name -> [[ours, message], ...].  What the client said becomes
frames and cuts at the plugin's own audio output; what the gateway said goes into the
plugin's own event handler.  Standard output is JSON: name -> [what the output told].
Usage: python replay.py
"""

import asyncio
import json
import logging
import sys
from typing import Any

from livekit import rtc
from livekit.agents.voice.avatar import QueueAudioOutput
from livekit.plugins.liveavatar import AvatarSession

RATE = 24_000
FRAME = rtc.AudioFrame(bytes(480 * 2), RATE, 1, 480)


class Replay:
    def __init__(self) -> None:
        self.told: list[str] = []
        self._avatar = AvatarSession(api_key="none", avatar_id="none")
        self._output = QueueAudioOutput(sample_rate=RATE, wait_playback_start=True)
        # What AvatarSession.start() does after its REST calls.
        self._avatar._audio_buffer = self._output
        self._output.on("clear_buffer", self._avatar._on_clear_buffer)
        self._output.on("playback_started", lambda _: self.told.append("started"))
        self._output.on("playback_finished", self._finished)

    def _finished(self, over: Any) -> None:
        self.told.append("interrupted" if over.interrupted else "finished")

    async def client(self, message: dict[str, Any]) -> None:
        if message.get("audio"):
            await self._output.capture_frame(FRAME)
            self._avatar._audio_playing = True  # as _forward_audio does
        match message["type"]:
            case "agent.speak_end":
                self._output.flush()
            case "agent.interrupt":
                self._output.flush()
                self._output.clear_buffer()
        await asyncio.sleep(0)

    def server(self, message: dict[str, Any]) -> None:
        self._avatar._handle_server_event(message)

    @property
    def connected(self) -> bool:
        return self._avatar._session_connected.is_set()


async def main() -> None:
    logging.basicConfig(level=logging.DEBUG, stream=sys.stderr)
    answers = {}
    for name, said in json.load(sys.stdin).items():
        replay = Replay()
        for ours, message in said:
            if ours:
                replay.server(message)
            else:
                await replay.client(message)
        answers[name] = {"told": replay.told, "connected": replay.connected}
    json.dump(answers, sys.stdout)


if __name__ == "__main__":
    asyncio.run(main())
