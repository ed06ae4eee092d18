"""Classifiers: what a picture as a whole shows."""
