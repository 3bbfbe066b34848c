"""SNMP on gufo-snmp (asking, at fleet size) and pysnmp (privacy of v3); messages of our own for setting and traps."""
