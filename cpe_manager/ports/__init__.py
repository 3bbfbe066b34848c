"""What the services need from outside, as Protocols, and the values that cross."""
