"""The words of distctl as frozen data: what is wanted, what was seen, what is remembered.

Nothing here does anything. `spec` is what the inventory asks for, `snapshot` what one look at the
cluster found, `record` what the store remembers, `router` the one view that a router is rendered from.
"""
