"""The built functions as real processes, killed at random moments: nobody lost, nobody mailed twice, every row true."""
