"""The suite on a compiled module that checks itself: ``make check-address``."""
