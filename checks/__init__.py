"""Checks that take too long for every change: programs of their own, each with a target of the Makefile."""
