"""Floor 1: the rules of money as pure code. No await, no clock, no random, no environment."""
