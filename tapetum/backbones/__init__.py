"""Pictures to named feature maps."""
