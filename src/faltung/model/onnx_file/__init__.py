"""ONNX files as graphs: bytes to messages, messages to nodes. Files are read and never executed; of a file's word nothing is allocated."""
