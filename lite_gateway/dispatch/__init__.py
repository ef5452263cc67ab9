"""Worker for LiveKit agent dispatch."""
