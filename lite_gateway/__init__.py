"""The gateway: sessions, their clock and everything that touches the network."""

from importlib.metadata import PackageNotFoundError, version

try:
    __version__ = version("lite-gateway")
except PackageNotFoundError:  # a checkout that is on the path but not installed
    __version__ = "0+unknown"
