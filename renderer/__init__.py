"""Renderer: speech and poses in, I420 frames out. Synchronous, no network."""
