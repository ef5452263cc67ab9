"""Sessions: registry, life of one session, client connections, history."""
