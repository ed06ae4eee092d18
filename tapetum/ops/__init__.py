"""Pure functions on tensors, no parameters."""
