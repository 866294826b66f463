"""The front door: the command, offline work on files, the embedded servers."""
