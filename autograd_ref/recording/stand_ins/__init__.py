"""Stand-ins for NumPy while a program is recorded, and the recording objects."""
