"""Runs ministack with the workarounds in place, configured by its environment."""

import workarounds
from ministack.app import main

if __name__ == "__main__":
    workarounds.apply()
    main()
