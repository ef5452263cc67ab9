"""What a face does besides speaking: blinks, glances, posture, beats and moods."""
