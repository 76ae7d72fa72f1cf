"""Findings that have one cause, told as one story."""
