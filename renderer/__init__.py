"""Renderer: speech and poses in, I420 frames out. Synchronous torch, no network."""
