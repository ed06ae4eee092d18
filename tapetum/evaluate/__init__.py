"""Predictions and truth to numbers."""
