"""Sessions over Telnet, where a group allows it. The only place that knows telnetlib3."""
