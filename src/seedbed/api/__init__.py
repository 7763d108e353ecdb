"""The verbs for Python; `import seedbed as sb` reaches all of them.

Each takes paths, call strings or objects, and means what the command of the same name means. The
modules here and in `seedbed.verbs` have the same names.
"""
