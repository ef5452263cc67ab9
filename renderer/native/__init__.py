"""Native code of the renderer: C sources, their builds, and their loader."""
