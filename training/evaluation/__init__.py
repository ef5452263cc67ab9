"""How well lips say what is heard: clips, references, drivers, peers and measures."""
