"""Adjoints of everything a loss depends on, in reverse over the tape, with intervals at kinks and ties."""

from autograd_ref.recording.adjoints.gathered import Adjoint
from autograd_ref.recording.adjoints.reverse import Adjoints, Contributions, adjoints
from autograd_ref.recording.adjoints.ties import ties_of

__all__ = ["Adjoint", "Adjoints", "Contributions", "adjoints", "ties_of"]
