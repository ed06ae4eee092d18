"""Models for other programs: ONNX graphs of the raw heads, and a client in NumPy that decodes."""

from tapetum.exporting.onnx import SIZES, check_request, export_onnx
from tapetum.exporting.parity import Parity

__all__ = ["SIZES", "Parity", "check_request", "export_onnx"]
