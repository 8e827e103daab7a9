"""The device archive: filled from births, its states judged by what arrives and what stays away."""
