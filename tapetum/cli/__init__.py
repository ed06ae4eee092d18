"""The command line; arguments are parsed here and nowhere else."""
