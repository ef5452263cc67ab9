"""Fit of a donor's surface to the landmarks of a photo."""
