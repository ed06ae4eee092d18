"""The parts of `client.py`. They need NumPy, Pillow and ONNX Runtime, and nothing of the house;
`assemble` puts those that a model needs into one file."""
