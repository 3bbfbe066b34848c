"""The long tail: platforms without a driver of our own, through netmiko. The only place that knows it and paramiko."""
