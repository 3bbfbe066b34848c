"""The SNMP side of virtual CPEs: an agent for each box, its MIBs, and traps."""
