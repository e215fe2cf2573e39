"""``python -m usher_ops`` is the `usher` command."""

from usher_ops.main import main

if __name__ == "__main__":
    main()
