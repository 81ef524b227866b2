"""What a measurement is made of, without a clock or a socket: steps, arrivals, data, figures, verdicts."""
