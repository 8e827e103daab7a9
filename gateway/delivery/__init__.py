"""From the journal on the disk to the server, and back: nothing is lost and nothing comes twice."""
