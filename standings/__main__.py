"""``python -m standings`` is the command ``standings``."""

from standings.cli import main

main()
