"""Speech to faces: the driver interface and the lip-sync driver."""
