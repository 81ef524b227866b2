"""The real parts behind the ports: ssh, this machine, nodes, HAProxy, Triton, the record."""
