"""Training of the driver's network on synthesised speech, and its evaluation.

The server does not import it; only `bench` and tests do.
"""
