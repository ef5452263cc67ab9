"""`/v1/realtime`: GA events over a WebSocket, checked with openai's own types."""
