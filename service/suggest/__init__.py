"""Suggestions: what to play next, leased and accounted for.

A request is an `Ask`. Those that wait for one pool are served together: what is known of the pool is brought up to
date, each is drawn after the one before, all leases are taken in one call, and the account is in the log before anybody
is answered.
"""
