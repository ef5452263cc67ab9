"""Gateway: sessions, playout, and all code that uses the network or the database."""

from importlib.metadata import PackageNotFoundError, version

try:
    __version__ = version("lite-gateway")
except PackageNotFoundError:  # a checkout that is on the path but not installed
    __version__ = "0+unknown"
