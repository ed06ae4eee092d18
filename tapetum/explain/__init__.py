"""A model and what to explain to a heat map."""

from tapetum.explain.methods import METHODS, explain
from tapetum.explain.pointing import heat_inside, hits

__all__ = ["METHODS", "explain", "heat_inside", "hits"]
