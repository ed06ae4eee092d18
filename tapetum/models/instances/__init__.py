"""Detectors that say more of each thing: its mask, its keypoints."""
