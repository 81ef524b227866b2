"""How many replicas a model needs for what is asked of it. Pure: time and memory are arguments."""
