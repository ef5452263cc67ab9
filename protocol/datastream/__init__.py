"""LiveKit avatar data stream protocol: names and state machine."""
