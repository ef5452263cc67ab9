"""Conversations under measurement: servers, a person in the room, arithmetic."""
