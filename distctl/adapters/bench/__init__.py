"""The sending side of a measurement: tritonclient's asynchronous clients, and the loops that drive them."""
