"""Rooms: the LiveKit participant that publishes, and the server API."""
