"""The files of a Linux router's daemons, read and written as the neutral model."""
