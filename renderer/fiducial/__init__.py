"""Test pattern that encodes the frame number in its pixels."""
