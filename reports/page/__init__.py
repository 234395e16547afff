"""What every report shares: numbers as words, the data that a page carries, the page itself."""
