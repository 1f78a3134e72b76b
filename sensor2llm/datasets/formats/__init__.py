"""File formats that several data sets share.

A DataError names the file that is missing, broken or not as published, and the library that a
format needs.
"""
