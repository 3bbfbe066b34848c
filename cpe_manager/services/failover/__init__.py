"""Lines are watched, and their traffic is moved to mobile and back (§3.8): what is seen, decided upon, and done."""
