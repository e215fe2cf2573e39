"""The whole of Usher on one machine: template.yaml deployed to an emulator, beside simulators of the other ends."""
