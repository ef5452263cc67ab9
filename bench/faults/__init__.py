"""Soak with faults: sessions speak while servers stop, and callers misbehave."""
