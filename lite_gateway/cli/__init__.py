"""The commands, a module each: ``add_to`` adds the parser, ``run`` does the work."""

import argparse
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    Commands = argparse._SubParsersAction[argparse.ArgumentParser]
