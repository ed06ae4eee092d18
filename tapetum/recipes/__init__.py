"""One function per experiment: command, minutes, machine and expected number in its docstring."""
