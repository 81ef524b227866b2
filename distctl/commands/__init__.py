"""Pure builders of shell scripts and files: text in, text out; connectors run them elsewhere."""
