"""LiveKit avatar data stream protocol: names, state machine."""
