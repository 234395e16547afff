"""What other runtimes say of their own copies: one file each, told apart by its contents."""
