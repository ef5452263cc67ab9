"""
REST API of the gateway, one module per resource.

Every endpoint is a coroutine, also one that awaits nothing: sessions belong to the
event loop, and FastAPI would call a plain function from a thread.
"""
