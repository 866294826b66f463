"""What ends a command: a mistake of the user, or trouble in the world. Both are told in one line."""

from __future__ import annotations


class Mistake(Exception):
    """The user can put it right: a wrong option, a file that is not there. Exit code 2."""


class Trouble(Exception):
    """The world is not as it should be: no broker, a server that died. Exit code 1."""
