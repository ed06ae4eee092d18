"""Small reusable modules without opinions."""
