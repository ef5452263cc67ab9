"""
Options of the commands, one module each: ``add_to`` adds the parser of a command.

These modules are imported by every command, so they import what a command needs only
when it runs.
"""

import argparse
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    Commands = argparse._SubParsersAction[argparse.ArgumentParser]
