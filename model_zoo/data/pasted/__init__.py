"""What people paste: text in any of the ways in which chemists write molecules, and what is understood of it.

Belongs here: distinguishing notations, finding the structure in a line or a row, refusing what is none and saying why.
Does not belong here: files (see `data/tables/`), standardising a structure (see `chemistry/molecules.py`).
"""
