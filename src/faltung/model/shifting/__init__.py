"""How far a model's answers move along with its input."""
