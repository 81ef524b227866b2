"""distctl: from an inventory of machines to a Triton cluster behind one router."""
