"""What language models may do with the service: tools of the Model Context Protocol, over its own HTTP interface.

Belongs here: the tools and their descriptions, and how a tool's question reaches the service.
Does not belong here: anything that the HTTP interface cannot do: a tool has the rights of the key that it is used with.
"""
