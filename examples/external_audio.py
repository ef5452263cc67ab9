"""
Speak through an avatar that is in a room already, with nothing but a room token.

The avatar's server must allow it: `lite-gateway serve --external-audio any`, or the
identity of this token.  WAV of 16 bit, one or two channels, 8 to 192 kHz.
Usage: python external_audio.py LIVEKIT_URL ROOM_TOKEN AVATAR_IDENTITY FILE.wav
"""

import asyncio
import sys
import wave

from livekit import rtc


async def main(url: str, token: str, avatar: str, path: str) -> None:
    room, over = rtc.Room(), asyncio.Event()
    await room.connect(url, token)

    def finished(call: rtc.RpcInvocationData) -> str:
        print(call.payload)  # how far it was heard
        over.set()
        return "ok"

    room.local_participant.register_rpc_method("lk.playback_finished", finished)
    with wave.open(path) as sound:
        stream = await room.local_participant.stream_bytes(
            "speech",
            topic="lk.audio_stream",
            destination_identities=[avatar],
            attributes={
                "sample_rate": str(sound.getframerate()),
                "num_channels": str(sound.getnchannels()),
            },
        )
        while pcm := sound.readframes(4800):
            await stream.write(pcm)
        await stream.aclose()
    await over.wait()
    await room.disconnect()


asyncio.run(main(*sys.argv[1:5]))
