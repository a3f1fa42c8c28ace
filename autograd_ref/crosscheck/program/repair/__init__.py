"""Repair a wrong gradient: make one change, run the program, and judge it again."""
