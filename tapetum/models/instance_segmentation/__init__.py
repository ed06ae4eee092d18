"""Detectors that say more of each object: its mask, its keypoints."""
