"""Use a program's own forward pass as its reference: recording arrays, the tape, its replay and adjoints.

recording = record(step, net, X, y)
check_operations(recording)
check_complete(recording)
found = adjoints(recording, recording.value(recording.result))
found.of[recording.leaves[0].value].centre
"""

from autograd_ref.recording.adjoints import Adjoint, Adjoints, adjoints, ties_of
from autograd_ref.recording.call.given import Leaf
from autograd_ref.recording.place import Place
from autograd_ref.recording.record import Recording, record, record_or_undo
from autograd_ref.recording.replay import replay
from autograd_ref.recording.tape import NotRecorded, Tape, Value
from autograd_ref.recording.verify import InstrumentFault, NotCompared, check_complete, check_operations

__all__ = [
    "Adjoint",
    "Adjoints",
    "InstrumentFault",
    "Leaf",
    "NotCompared",
    "NotRecorded",
    "Place",
    "Recording",
    "Tape",
    "Value",
    "adjoints",
    "check_complete",
    "check_operations",
    "record",
    "record_or_undo",
    "replay",
    "ties_of",
]
