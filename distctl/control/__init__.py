"""The loop: observe, decide (in `policy`), execute, record. No function here does two of them."""
