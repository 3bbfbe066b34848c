"""What is sold, what a site has of it, and what that entitles to (§2)."""
