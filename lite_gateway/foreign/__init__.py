"""Texts and addresses that come from others: cleaned, and checked before use."""
