"""What every room needs and that knows nothing of vision: errors, limits, files, runtime."""
