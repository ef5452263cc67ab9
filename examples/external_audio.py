"""Play a WAV file through an avatar that is in a room; only a room token is needed.

    python external_audio.py LIVEKIT_URL ROOM_TOKEN AVATAR_IDENTITY FILE.wav

The avatar's server must allow it: `lite-gateway serve --external-audio any`, or the
identity of this token instead of `any`. The file is 16 bit, with one or two channels,
at 8 to 192 kHz.
"""

import asyncio
import sys
import wave

from livekit import rtc


async def main(url: str, token: str, avatar: str, path: str) -> None:
    room, finished = rtc.Room(), asyncio.Event()
    await room.connect(url, token)

    def on_finished(call: rtc.RpcInvocationData) -> str:
        print(call.payload)  # says how much was heard
        finished.set()
        return "ok"

    room.local_participant.register_rpc_method("lk.playback_finished", on_finished)
    with wave.open(path) as wav:
        stream = await room.local_participant.stream_bytes(
            "speech",
            topic="lk.audio_stream",
            destination_identities=[avatar],
            attributes={
                "sample_rate": str(wav.getframerate()),
                "num_channels": str(wav.getnchannels()),
            },
        )
        while pcm := wav.readframes(4800):
            await stream.write(pcm)
        await stream.aclose()
    await finished.wait()
    await room.disconnect()


if len(sys.argv) != 5:
    sys.exit(__doc__)
asyncio.run(main(*sys.argv[1:]))
