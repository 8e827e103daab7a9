"""The edge agent: polls devices, keeps what it read, hands it over."""
