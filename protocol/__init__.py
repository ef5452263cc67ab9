"""Wire protocols without I/O: LITE WebSocket and LiveKit avatar data stream."""
