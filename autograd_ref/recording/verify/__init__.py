"""Verify a recording: does the tape agree with NumPy, and did no value leave it?"""

from autograd_ref.recording.verify.operations import InstrumentFault, check_operations
from autograd_ref.recording.verify.second_point import NotCompared, check_complete

__all__ = ["InstrumentFault", "NotCompared", "check_complete", "check_operations"]
