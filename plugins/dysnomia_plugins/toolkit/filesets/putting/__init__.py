"""Files and folders of a snapshot put back into the live tree: looked at, planned, and exchanged one by one."""
