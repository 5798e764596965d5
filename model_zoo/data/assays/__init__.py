"""What a lab's table means: which columns hold measurements, how their numbers are written, in which unit they are.

Belongs here: guesses from a whole file, each with its evidence, and the endpoint's YAML that says them.
Does not belong here: reading a file (see `tables/`): what an endpoint's YAML says is read, and nothing is guessed then.
"""
