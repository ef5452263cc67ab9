"""Evaluation of lip sync: clips, references, drivers, other systems and measures."""
