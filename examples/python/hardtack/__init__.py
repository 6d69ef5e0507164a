"""Hardtack for Python: narrow a token, hand it on, and prove calls; copy this folder."""
