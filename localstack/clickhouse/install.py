"""Installs ClickHouse's embedded engine into a local environment, once.

`install.py DIR` makes DIR/venv with what server.py needs, prints its progress,
and does nothing when it is there already. Several at once: one installs, the
others wait.
"""

import fcntl
import subprocess
import sys
import time
import venv
from pathlib import Path

# ClickHouse 26.9. Its declared dependencies (pandas, pyarrow) are for
# interfaces that server.py does not use.
PACKAGE = "chdb-core==26.9.0"


def say(text: str) -> None:
    print("ClickHouse:", text, flush=True)


def install(target: Path) -> None:
    say("creating a Python environment")
    venv.create(target, with_pip=True, clear=True, symlinks=True)
    say(f"installing {PACKAGE} (about 150 MB, once)")
    pip = [target / "bin/python", "-m", "pip", "install", "--no-input", "--no-deps"]
    quiet = ["--disable-pip-version-check", "--progress-bar", "off"]
    started = time.monotonic()
    with subprocess.Popen([*pip, *quiet, PACKAGE], stdout=subprocess.PIPE, text=True) as child:
        for line in child.stdout:
            say(f"{line.strip()} ({time.monotonic() - started:.0f} s)")
    if child.returncode:
        sys.exit(f"pip ended with {child.returncode}")


def main() -> None:
    local = Path(sys.argv[1]).absolute()
    target = local / "venv"
    # Written last: a broken-off or outdated installation does not count.
    marker = target / PACKAGE
    if marker.exists():
        return
    local.mkdir(parents=True, exist_ok=True)
    with open(local / "venv.lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not marker.exists():
            install(target)
            marker.touch()


if __name__ == "__main__":
    main()
