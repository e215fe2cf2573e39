"""The pure middle: hires, policy, invitations. It imports pydantic and the standard library, nothing else."""
