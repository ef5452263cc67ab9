"""How the driver learns: synthesised speech in, weights out. Nothing of the server imports this."""
