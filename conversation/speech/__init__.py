"""
Built-in speech: a recognizer, voices and scripted answers, as OpenAI's HTTP interface.

It needs no key of a provider and no network. Embedded and real services are reached in
the same way, so a conversation does not know which of them it uses.
"""
