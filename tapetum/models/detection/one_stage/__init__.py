"""Detectors that classify every anchor at once, without proposals."""
