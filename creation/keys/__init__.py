"""Keyframes of mouth and eyes, made from one plate, a fitted face and a donor."""
