"""Rendering of files without a room."""
