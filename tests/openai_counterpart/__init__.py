"""
Look-alike of OpenAI's HTTP and Realtime interfaces, a process of its own on loopback.

``python -m tests.openai_counterpart`` starts it; a JSON script or `/control` says how
it answers. See README.md beside this file.
"""
