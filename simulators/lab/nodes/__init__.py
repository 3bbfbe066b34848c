"""What runs inside a lab's nodes: scripts of the shell, the same in namespaces and in containers; data, not imported."""
