"""The safety gate: what a film must not show is refused before it is planned, filmed or cut."""
