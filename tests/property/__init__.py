"""Tests of properties, over examples that are made up."""
