"""HTTP: requests into calls of services, answers and errors into JSON."""
