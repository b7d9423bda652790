"""`python -m benchmarks`: see command.py.

Nothing else is imported at the top: the fresh processes that measure imports begin with this file.
"""

if __name__ == "__main__":
    from benchmarks.command import main

    main()
