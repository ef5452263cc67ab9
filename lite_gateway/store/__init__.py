"""Database of the gateway: API keys, secrets, configuration and session history."""
