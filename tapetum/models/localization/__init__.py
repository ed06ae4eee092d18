"""Localization: what a picture shows, and where; a fixed number of things."""
