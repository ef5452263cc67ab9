"""LiveAvatar LITE protocol: messages, codec and state machine."""
