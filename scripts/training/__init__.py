"""How each sample model is trained: one module a model, each with `train() -> Trained`."""
