"""What the program sees in place of NumPy while it is recorded, and what recording objects do."""
