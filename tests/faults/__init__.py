"""Faults, at the points where they hurt: the crash matrix, and the tests that run its rows on real servers."""
