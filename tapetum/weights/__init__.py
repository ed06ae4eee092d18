"""Weights of models: checkpoints, published files, and transfer between models.

Names are imported when they are first used, so that importing one file imports no other.
"""

from __future__ import annotations

from tapetum.base.faces import lazy_names

_PLACES = {
    "Source": "tapetum.weights.sources",
    "Transfer": "tapetum.weights.transfer",
    "all_published": "tapetum.weights.published",
    "automatic": "tapetum.weights.sources",
    "build_network": "tapetum.weights.sources",
    "checkpoint_of_run": "tapetum.weights.run_checkpoint",
    "fetch_published": "tapetum.weights.sources",
    "fill": "tapetum.weights.checkpoint",
    "find_checkpoint": "tapetum.weights.checkpoint",
    "is_name": "tapetum.weights.sources",
    "load_model": "tapetum.weights.checkpoint",
    "model_info": "tapetum.weights.published",
    "model_of": "tapetum.weights.published",
    "model_parts": "tapetum.weights.checkpoint",
    "network": "tapetum.weights.sources",
    "network_name": "tapetum.weights.published",
    "ranked_checkpoints": "tapetum.weights.checkpoint",
    "read_model_info": "tapetum.weights.checkpoint",
    "read_tensors": "tapetum.weights.tensors_file",
    "read_weights": "tapetum.weights.transfer",
    "refuse_links": "tapetum.weights.checkpoint",
    "refuse_unsavable": "tapetum.weights.tensors_file",
    "source_of": "tapetum.weights.sources",
    "step_folder": "tapetum.weights.checkpoint",
    "tensors_writer": "tapetum.weights.tensors_file",
    "text_writer": "tapetum.weights.checkpoint",
}

__all__ = sorted(_PLACES)

__getattr__, __dir__ = lazy_names(__name__, _PLACES)
