"""Localization: what an image shows, and where; a fixed number of objects."""
