"""What is wrong with a run? One file a question; `probe.judge` walks this package to find them."""
