"""LiveKit server for development: build it, run it."""
