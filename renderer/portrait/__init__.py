"""Pre-rendered portraits animated by image warping."""
