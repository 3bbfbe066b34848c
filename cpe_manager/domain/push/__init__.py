"""The one way by which a device's configuration is changed."""
