"""The product on ministack: starts it, deploys to it and polls its streams, then
prints one line of JSON and stays until standard input ends. Progress goes to
standard error.

    tier.py --work DIR --deployer PYTHON --poller PROGRAM --provider PROGRAM

DIR is emptied first; it holds the emulator's data and everybody's logs.
"""

import argparse
import contextlib
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

HERE = Path(__file__).resolve().parent
REGION = "ap-northeast-2"
DEADLINE = 60.0


def say(text: str) -> None:
    print("ministack:", text, file=sys.stderr, flush=True)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def environment(port: int, data: Path) -> dict[str, str]:
    """The emulator's, and what it hands on to the functions it runs."""
    data.mkdir(parents=True)
    endpoint = f"http://127.0.0.1:{port}"
    inherited = {k: v for k, v in os.environ.items() if not k.lower().endswith("_proxy")}
    return inherited | {
        "GATEWAY_PORT": str(port),
        "BIND_HOST": "127.0.0.1",
        "MINISTACK_HOST": "127.0.0.1",
        "MINISTACK_REGION": REGION,
        "AWS_DEFAULT_REGION": REGION,
        "AWS_ENDPOINT_URL": endpoint,
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "test",
        "S3_DATA_DIR": str(data / "s3"),
        "STATE_DIR": str(data / "state"),
        "TMPDIR": str(data),
        # Listeners of services that are not used, on ports that may be taken.
        "IOT_MTLS_ENABLED": "0",
        "SFTP_ENABLED": "0",
        "LOG_LEVEL": "WARNING",
    }


@contextlib.contextmanager
def running(name: str, command: list[str], log: Path, **options):
    """A process and whatever it starts, in a group of their own, for as long."""
    with log.open("wb") as output:
        child = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            **options,
        )
    try:
        yield child
    finally:
        child.terminate()
        try:
            child.wait(15)
        except subprocess.TimeoutExpired:
            say(f"{name} does not stop; it is killed")
        # Functions are the emulator's children and outlive it.
        with contextlib.suppress(ProcessLookupError):
            os.killpg(child.pid, signal.SIGKILL)
        child.wait()


def until(what: str, holds, child: subprocess.Popen, log: Path) -> None:
    """Until `holds`, unless the process ends before or it takes too long."""
    deadline = time.monotonic() + DEADLINE
    while not holds():
        if child.poll() is not None:
            sys.exit(f"{what}: the process ended, see {log}")
        if time.monotonic() > deadline:
            sys.exit(f"{what}: not within {DEADLINE:.0f} s, see {log}")
        time.sleep(0.1)


def answers(url: str) -> bool:
    """Whether a GET gives 200."""
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with opener.open(url, timeout=30):
            return True
    except OSError:
        return False


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument("--deployer", required=True, help="a Python with boto3 and SAM CLI")
    parser.add_argument("--poller", required=True, help="devstack's stream-poller")
    parser.add_argument("--provider", required=True, help="the simulated payment provider")
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--parameter", action="append", default=[], metavar="NAME=VALUE")
    args = parser.parse_args()
    # So that the finally-blocks below run.
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: sys.exit(1))
    work = args.work.resolve()
    shutil.rmtree(work, ignore_errors=True)
    work.mkdir(parents=True)

    port = args.port or free_port()
    endpoint = f"http://127.0.0.1:{port}"
    began = time.monotonic()
    with contextlib.ExitStack() as stack:
        log = work / "ministack.log"
        emulator = stack.enter_context(
            running(
                "ministack",
                [sys.executable, str(HERE / "serve.py")],
                log,
                env=environment(port, work / "data"),
            )
        )
        health = f"{endpoint}/_ministack/health"
        until(health, lambda: answers(health), emulator, log)
        say(f"up on {endpoint}")
        deploy = [args.deployer, str(HERE.parent / "deploy.py"), "--endpoint", endpoint]
        deploy += ["--work", str(work)]
        provider_port = free_port()
        deploy += ["--parameter", f"PaymentProviderUrl=http://127.0.0.1:{provider_port}"]
        for parameter in args.parameter:
            deploy += ["--parameter", parameter]
        if subprocess.run(deploy, stdin=subprocess.DEVNULL, stdout=sys.stderr).returncode:
            sys.exit("ministack: the deployment failed")
        deployed, polling = work / "deployment.json", work / "poller.log"
        poller = stack.enter_context(
            running("the poller", [args.poller, str(deployed)], polling)
        )
        until("the poller", lambda: b"polling" in polling.read_bytes(), poller, polling)
        deployment = json.loads(deployed.read_text())
        paying = work / "provider.log"
        command = [args.provider, "--port", str(provider_port)]
        command += ["--webhook-url", deployment["base_url"] + "/api/shop/webhook/payment"]
        command += ["--webhook-keys", str(work / "payment-webhook-keys.json")]
        command += ["--api-key", str(work / "payment-provider.json")]
        provider = stack.enter_context(running("the provider", command, paying))
        until("the provider", lambda: b"provider is at" in paying.read_bytes(), provider, paying)
        # A stack that is complete may answer nothing yet: a route is what counts.
        route = deployment["base_url"] + "/health"
        until(route, lambda: answers(route), emulator, log)
        say(f"deployed and answering after {time.monotonic() - began:.0f} s")
        print(json.dumps(deployment), flush=True)
        sys.stdin.read()
        say("stopping")
        for name, child in (
            ("ministack", emulator),
            ("the poller", poller),
            ("the provider", provider),
        ):
            if child.poll() is not None:
                sys.exit(f"{name} ended by itself, see {work}")


if __name__ == "__main__":
    main()
