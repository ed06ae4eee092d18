"""The page of faults in a dataset, which tapetum check writes."""

from tapetum.reporting.faults.page import make_faults, write_faults

__all__ = ["make_faults", "write_faults"]
