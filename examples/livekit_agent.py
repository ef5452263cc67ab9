"""LiveKit agent with an avatar of this server, through the stock LiveAvatar plugin.

pip install livekit-agents livekit-plugins-liveavatar
export LIVEKIT_URL=ws://127.0.0.1:7880
export LIVEKIT_API_KEY=devkey LIVEKIT_API_SECRET=secret
python examples/livekit_agent.py dev
"""

import asyncio
import os

from livekit.agents import Agent, AgentServer, AgentSession, JobContext, cli
from livekit.agents.utils.audio import audio_frames_from_file
from livekit.plugins import liveavatar

server = AgentServer()


@server.rtc_session()
async def entrypoint(ctx: JobContext) -> None:
    session = AgentSession()  # add your own stt=, llm= and tts=
    avatar = liveavatar.AvatarSession(
        # These lines differ: the hosted service needs no api_url.
        api_url=os.environ.get("LIVEAVATAR_URL", "http://127.0.0.1:8080")
        + "/v1/sessions",
        api_key=os.environ.get("LIVEAVATAR_API_KEY", "dev"),
        avatar_id=os.environ.get("LIVEAVATAR_AVATAR_ID", "mira"),
    )
    await avatar.start(session, room=ctx.room)
    await avatar.wait_for_join()
    await session.start(Agent(instructions="Be kind."), room=ctx.room)
    await asyncio.sleep(1.0)  # until the participants have subscribed to the avatar
    await session.say(
        "Hello there, it is very good to see you today.",
        audio=audio_frames_from_file("web/samples/hello.wav", sample_rate=24_000),
    )


if __name__ == "__main__":
    cli.run_app(server)
