"""Helpers of `read_image`: formats by their bytes, metadata, pixel modes, captured warnings."""
