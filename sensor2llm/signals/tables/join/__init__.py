"""What lies in several files, put together by person and time: sensors, and labels."""
