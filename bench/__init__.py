"""Speed, measured: always beside the raw limit in the same run, printed as a ratio."""
