"""A run of a live module, watched and written down; `from_torch` makes a graph of it. Needs PyTorch."""
