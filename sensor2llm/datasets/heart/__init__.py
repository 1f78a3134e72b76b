"""Data sets of heart beats and ECG."""
