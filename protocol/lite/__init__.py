"""LiveAvatar LITE protocol: messages, codec, state machine."""
