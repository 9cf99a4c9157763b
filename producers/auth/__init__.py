"""Auth: people sign in, programs prove themselves, and both get tokens that every edge believes."""
