"""A model and what to explain to a heat map."""
