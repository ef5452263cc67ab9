"""
LiveKit's avatar data stream: speech as byte streams in the room, news of it by RPC.

`door.py` is what LiveKit calls, `floor.py` what it comes to: turns of the same playout
that a WebSocket drives.
"""
