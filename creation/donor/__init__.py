"""Donors: people from whom a photo gets geometry, expressions and teeth."""
