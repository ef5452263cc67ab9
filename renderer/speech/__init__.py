"""Speech to face: the driver interface and the lip-sync driver."""
