"""The audit's report: page, tables, remedies."""
