"""The verbs of the command line, one file each: `command` is the verb, its docstring its help."""
