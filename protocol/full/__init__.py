"""Data channel of FULL mode and of the connectors, without I/O."""
