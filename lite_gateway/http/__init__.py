"""Limits and checks in front of the REST API: connections, bodies, browsers."""
