"""Phones of speech with their times: alphabets of their symbols, and lists of them."""
