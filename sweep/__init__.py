"""WHO drives: the command line, planning, Ray execution, retries and resume, guided search.

The top of the house: may import everything below.
"""
