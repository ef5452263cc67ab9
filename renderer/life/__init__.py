"""Idle and co-speech motion: blinks, gaze, head, gestures and expressions."""
