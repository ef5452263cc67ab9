"""Every added millisecond, measured from outside."""
