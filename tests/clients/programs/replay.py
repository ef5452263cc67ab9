"""
Replay of recorded conversations through the stock LiveKit plugin.

Standard input is JSON: name -> [[ours, message], ...]. Messages of the client become
audio frames and interruptions at the plugin's own audio output. Messages of the gateway
go to the plugin's own event handler. Standard output is JSON: name -> events of the
audio output.

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
    """Plugin that replays one conversation."""

    def __init__(self) -> None:
        self.events: list[str] = []
        self._avatar = AvatarSession(api_key="none", avatar_id="none")
        self._output = QueueAudioOutput(sample_rate=RATE, wait_playback_start=True)
        # AvatarSession.start() does this after its REST calls.
        self._avatar._audio_buffer = self._output
        self._output.on("clear_buffer", self._avatar._on_clear_buffer)
        self._output.on("playback_started", lambda _: self.events.append("started"))
        self._output.on("playback_finished", self._finished)

    def _finished(self, event: Any) -> None:
        self.events.append("interrupted" if event.interrupted else "finished")

    async def client(self, message: dict[str, Any]) -> None:
        if message.get("audio"):
            await self._output.capture_frame(FRAME)
            self._avatar._audio_playing = True  # _forward_audio does this
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
    for name, messages in json.load(sys.stdin).items():
        replay = Replay()
        for ours, message in messages:
            if ours:
                replay.server(message)
            else:
                await replay.client(message)
        answers[name] = {"events": replay.events, "connected": replay.connected}
    json.dump(answers, sys.stdout)


if __name__ == "__main__":
    asyncio.run(main())
