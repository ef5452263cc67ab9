"""Playout of one session: turns, frame clock, jitter buffer, rendering queue."""
