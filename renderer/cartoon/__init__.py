"""Cartoon avatars, drawn from shapes."""
