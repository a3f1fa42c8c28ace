"""One training run: its settings, state, directory, pictures.

A run's directory has

- ``config.json``: the settings; ``handgrad train --config`` reads it.
- ``history.csv``: a header and a line for each step; any spreadsheet opens it.
- ``checkpoint.npz``: the whole state, saved every 2 seconds, or less often if saving takes over 1 % of the
  time.
- ``loss.png``; ``accuracy.png``, with the gap between training and validation; ``weights.png``, the weights
  of each hidden unit as an image; ``diagnostics.png``: dead and saturated units, the adjoints, and the size
  of the updates, measured after each epoch (1 to 4 % of the time).

However a run ends, even by ``kill -9``, ``handgrad train --resume`` continues it bit for bit as if it had not
been interrupted, on the same machine with the same libraries. If the loss is no longer finite, the run stops
with exit code 1; the last good checkpoint is kept. ``handgrad predict`` adds ``confusion.png``.
"""
