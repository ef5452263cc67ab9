"""How the driver learns: synthesised speech in, weights out. Only tests import it."""
