"""LiveKit server for development: build it and run it."""
