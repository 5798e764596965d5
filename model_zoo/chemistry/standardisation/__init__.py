"""What brings a parsed structure to one form, by the rules of the newest policy version.

Belongs here: one module per question: is it one whole molecule (`whole.py`), which of its components is meant
(`components.py`, `counterions.py`), which of its notations (`notation.py`), configurations (`stereo.py`) and tautomers
(`tautomers.py`) is taken, and the values that say what was done (`outcome.py`).
Does not belong here: the order of these steps, and the rules of earlier versions (see
`model_zoo/chemistry/molecules.py`).
"""
