"""What a line will have to do, and how late its points can be at worst, before anything is wired."""
