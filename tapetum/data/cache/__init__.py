"""Cache: decoded images, resized to what a training needs, in memory or on disk."""

from __future__ import annotations

from tapetum.data.cache.cached_dataset import CachedDataset, cached
from tapetum.data.cache.shrink import read_shrunk, shrunk_size
from tapetum.data.cache.stores import DiskStore, MemoryStore, Store

__all__ = [
    "CachedDataset",
    "DiskStore",
    "MemoryStore",
    "Store",
    "cached",
    "read_shrunk",
    "shrunk_size",
]
