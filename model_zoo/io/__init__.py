"""Files and texts as data: digests, seals, versioned JSON, strict YAML.

Belongs here: how something is written and read, whatever it says.
Does not belong here: what a file says; that is in the room of its subject.
"""
