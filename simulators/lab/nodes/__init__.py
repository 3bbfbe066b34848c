"""What runs inside a lab's nodes: shell scripts, the same in namespaces and in containers."""
