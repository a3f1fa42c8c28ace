"""One training run: its settings, state, directory, pictures.

A run's directory has

- ``config.json``: the settings. ``handgrad train --config`` takes it again.
- ``history.csv``: a line for each step, with a head; any spreadsheet opens it.
- ``checkpoint.npz``: the whole state, every 2 seconds, less often where writing it takes over 1 % of the
  time.
- ``loss.png``, ``accuracy.png`` with the gap between training and validation, ``weights.png``, what each
  hidden unit looks for, and ``diagnostics.png``: dead and saturated units, what flows back, how fast the
  weights move, measured after each epoch (1 to 4 % of the time).

However a run ends, by ``kill -9`` as well, ``handgrad train --resume`` goes on bit for bit as if it had not
ended, on the same machine, with the same libraries. A loss that is no longer finite stops the run with exit
code 1; the last good checkpoint is kept. ``handgrad predict`` adds ``confusion.png``.
"""
