"""Which operators ran, where and for how long? From what runtimes leave to the table `ops`."""
