"""Speech and poses in, I420 pictures out: synchronous torch, no asyncio, no network."""
