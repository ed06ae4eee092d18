"""What the image door stands on: formats by their bytes, metadata, pixel modes, quiet decoders."""
