"""Classifiers: what an image as a whole shows."""
