"""Instruments: subscribers, gateway trace, processes and devices under test."""
