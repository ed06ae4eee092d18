"""Files on disk to samples: one image door, one file per format, transforms, loading, scenes."""
