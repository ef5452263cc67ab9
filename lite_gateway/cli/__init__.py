"""Commands, one module each; ``parsers`` has their options."""
