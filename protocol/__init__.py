"""The LITE WebSocket protocol without I/O: messages, codec and state machine."""
