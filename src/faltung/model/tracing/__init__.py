"""What the positions of every array of a model see of its input."""
