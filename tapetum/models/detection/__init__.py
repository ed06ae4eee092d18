"""Detectors: boxes and classes of the things in a picture."""
