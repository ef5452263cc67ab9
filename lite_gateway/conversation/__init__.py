"""Conversations in the gateway: their plans and settings, and the agent process."""
