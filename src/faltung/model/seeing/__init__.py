"""What layers make of an input: feature maps, heat maps, the pictures that channels answer to."""
