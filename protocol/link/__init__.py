"""Protocol between the gateway and its agent process, without I/O."""
