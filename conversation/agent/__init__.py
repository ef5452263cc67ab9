"""Agent process: each conversation of a gateway is a task in it."""
