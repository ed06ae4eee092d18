"""Detectors that propose regions first and classify them afterwards; masks and keypoints, too."""
