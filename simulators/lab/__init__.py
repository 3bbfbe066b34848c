"""A laboratory of real software: an edge, an internet, a mobile operator and CPEs, whose lines can be cut."""
