"""The commands: what each takes from the command line. What it needs is imported when it runs."""
