"""The gateway: sessions, their clock and everything that touches the network."""
