"""x
y
"""
def read_goals(p): return {}
def report_text(a,b): return ""
