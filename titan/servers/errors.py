"""The one error of starting servers: a plain line that ends with the remedy."""


class ServerStartError(Exception):
    """A server could not be started or reached; the message is one line and says what helps."""
