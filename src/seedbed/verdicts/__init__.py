"""Statistical verdicts: scores of arms go in, simultaneous intervals and plain answers come out."""
