"""What a portrait's package and whoever writes one agree on; needs nothing."""

CLOSEUPS = ("mouth", "eyeLeft", "eyeRight")
PLATE_STEP = 8  # plate pixels between two cells
CLOSEUP_STEP = 4
FEATHER = 22  # plate pixels over which a close-up fades into the plate
