"""What ends the start of an embedded server."""


class EmbeddedError(RuntimeError):
    """An embedded server cannot be had; the message says why and what to do."""
