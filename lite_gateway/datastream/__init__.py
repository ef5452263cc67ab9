"""
LiveKit's avatar data stream: speech as byte streams in the room, reports by RPC.

`receiver.py` has the handlers that LiveKit calls. `speech_queue.py` turns the streams
into turns of the same playout that the WebSocket uses.
"""
