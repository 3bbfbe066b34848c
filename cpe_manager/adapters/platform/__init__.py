"""The operator's side of fail-over: what routes the customers' fixed addresses."""
