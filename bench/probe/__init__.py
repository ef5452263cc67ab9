"""Measuring instruments: subscribers, gateway traces, processes and GPUs."""
