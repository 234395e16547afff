"""Every byte that moves: from the interposer's tapes to the tables `copies`, `sites`, `buffers`."""
