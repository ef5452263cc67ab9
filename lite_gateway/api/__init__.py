"""
The control plane over HTTP, a module for each noun of the service's API.

Every endpoint is a coroutine, also those that never wait: sessions live on the event
loop, and FastAPI calls plain functions from threads.
"""
