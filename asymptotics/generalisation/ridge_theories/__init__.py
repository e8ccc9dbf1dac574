"""Which theories of the ridge fit are there? One file each: what it covers, how sure it is, and its answer."""
