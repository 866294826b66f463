"""All of Redis: keys, row format, scripts and what reads and writes by them."""
