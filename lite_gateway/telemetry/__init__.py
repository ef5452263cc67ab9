"""Logs, HTTP metrics and traces: what operators see of a running gateway."""
