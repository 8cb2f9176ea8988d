"""What people see: `source/*.md` as each dialect shows it.

After an intended change run `python -m tests.golden` and read the difference before it is kept.
"""
