"""Decisions: pure functions on frozen data. Nothing here waits, asks a clock or talks to anything."""
