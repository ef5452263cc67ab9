"""
Child processes of the gateway that hear, think and speak for it.

Only this package imports livekit.agents, its plugins, openai and httpx2. The gateway
works without it, and no fault of it ends more than the conversations.
"""
