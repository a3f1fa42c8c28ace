"""Measure how long each command takes, and where the time goes."""
