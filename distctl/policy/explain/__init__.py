"""What something is, why it is so, what happened to it last, and what would change it: in sentences."""
