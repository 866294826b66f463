"""Files to matches: NDJSON and CSV in one reader, bad rows by line number, bounded memory whatever a file holds."""
