"""Drawn avatars."""
