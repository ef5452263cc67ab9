"""The avatar gateway: rooms, sessions, the clock and everything that touches the network."""
