"""From a model and what to explain to a heat map."""

from tapetum.explain.method import Method
from tapetum.explain.methods import AUTO, METHODS, explain, method_for
from tapetum.explain.pointing import heat_inside, hits

__all__ = ["AUTO", "METHODS", "Method", "explain", "heat_inside", "hits", "method_for"]
