"""Sessions over SSH. The only place that knows asyncssh."""
