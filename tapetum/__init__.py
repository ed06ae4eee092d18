"""Computer vision from lectures to practice, in pure Python on PyTorch."""
