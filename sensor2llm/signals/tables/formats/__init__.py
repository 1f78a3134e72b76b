"""Formats of files beside text and Parquet: workbooks, arrays, zip archives."""
