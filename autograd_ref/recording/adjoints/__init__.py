"""Adjoints of everything a loss depends on, in reverse over the tape, with intervals at kinks and ties."""

from autograd_ref.recording.adjoints.fits import Fit, fit, ties_of
from autograd_ref.recording.adjoints.gathered import Adjoint
from autograd_ref.recording.adjoints.reverse import Adjoints, Contributions, adjoints

__all__ = ["Adjoint", "Adjoints", "Contributions", "Fit", "adjoints", "fit", "ties_of"]
