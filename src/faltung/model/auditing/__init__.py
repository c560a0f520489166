"""What each layer of a model costs, what was not counted, and what could be otherwise."""
