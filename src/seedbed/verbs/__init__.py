"""What each verb of the command line does: options in, (JSON document, exit status) out.

Without --json the same content goes to stdout for the eye. The work itself is done by the Python
functions of the same names.
"""
