"""Whole models: what each layer costs, sees and shows, read from a PyTorch module or an ONNX file."""
