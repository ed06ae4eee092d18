"""What all rooms need and that knows nothing of vision: errors, limits, files, runtime.

Names are imported when they are first used, so that importing one file imports no other.
"""

from __future__ import annotations

from tapetum.base.faces import lazy_names

_PLACES = {
    "AnnotationError": "tapetum.base.errors",
    "CheckpointError": "tapetum.base.errors",
    "DEFAULT_LIMITS": "tapetum.base.limits",
    "DownloadError": "tapetum.base.errors",
    "FileAccessError": "tapetum.base.errors",
    "ImageError": "tapetum.base.errors",
    "ImageGenerators": "tapetum.base.seeds",
    "Limits": "tapetum.base.limits",
    "Memory": "tapetum.base.memory",
    "Ranks": "tapetum.base.ranks",
    "Runtime": "tapetum.base.runtime",
    "TapetumError": "tapetum.base.errors",
    "TrainingError": "tapetum.base.errors",
    "UsageError": "tapetum.base.errors",
    "atomic_write": "tapetum.base.files",
    "choose_runtime": "tapetum.base.runtime",
    "custom_function": "tapetum.base.custom_code",
    "derive_seed": "tapetum.base.seeds",
    "deterministic": "tapetum.base.seeds",
    "digest_of_name": "tapetum.base.download",
    "environment": "tapetum.base.machine",
    "environment_facts": "tapetum.base.machine",
    "free_memory": "tapetum.base.memory",
    "free_name": "tapetum.base.outputs",
    "from_first": "tapetum.base.ranks",
    "gathered": "tapetum.base.ranks",
    "generator": "tapetum.base.seeds",
    "image_generators": "tapetum.base.seeds",
    "is_out_of_memory": "tapetum.base.memory",
    "json_text": "tapetum.base.files",
    "no_log": "tapetum.base.progress",
    "no_progress": "tapetum.base.progress",
    "normalizer": "tapetum.base.ranks",
    "open_output": "tapetum.base.outputs",
    "peak_memory": "tapetum.base.memory",
    "printable": "tapetum.base.errors",
    "process_group": "tapetum.base.ranks",
    "read_bytes": "tapetum.base.files",
    "read_json": "tapetum.base.files",
    "read_manifest": "tapetum.base.bundle",
    "read_text": "tapetum.base.files",
    "recorded_runtime": "tapetum.base.runtime",
    "refuse_link": "tapetum.base.files",
    "refuse_output": "tapetum.base.outputs",
    "release_memory": "tapetum.base.memory",
    "safe_path": "tapetum.base.files",
    "sha256": "tapetum.base.files",
    "sum_over_ranks": "tapetum.base.ranks",
    "sweep_bundles": "tapetum.base.bundle",
    "sync_folder": "tapetum.base.files",
    "undisturbed": "tapetum.base.seeds",
    "verify_bundle": "tapetum.base.bundle",
    "worker_start": "tapetum.base.runtime",
    "write_bundle": "tapetum.base.bundle",
    "write_json": "tapetum.base.files",
}

__all__ = sorted(_PLACES)

__getattr__, __dir__ = lazy_names(__name__, _PLACES)
