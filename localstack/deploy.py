"""Deploys template.yaml with the binaries of `cargo xtask build` to an emulator.

    .local/venv-lint/bin/python localstack/deploy.py --endpoint http://localhost:4566

makes the stage's secrets, packages and deploys with SAM CLI, and writes what it
deployed into a file. It is the dev stage of samconfig.toml; `--parameter NAME=VALUE`
adds to it. Nothing here knows which emulator it talks to.
"""

import argparse
import base64
import json
import os
import secrets
import subprocess
import sys
import tomllib
from pathlib import Path

import boto3

ROOT = Path(__file__).resolve().parent.parent
BOOTSTRAPS = ROOT / "target/lambda"
STACK, STAGE, REGION, BUCKET = "casino-club-dev", "dev", "ap-northeast-2", "casino-club-artifacts"


def say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


def fresh_secrets() -> dict[str, str]:
    """What template.yaml expects to be there, by what follows casino-club/<stage>/."""

    def key() -> str:
        return base64.b64encode(secrets.token_bytes(32)).decode()

    signing = {"active": "k1", "keys": [{"kid": "k1", "alg": "HS256", "secret": key()}]}
    notices = {"active": "k1", "keys": [{"kid": "k1", "secret": key()}]}
    return {
        "jwt-keys": json.dumps(signing),
        "fairness-master-key": key(),
        "webhook-master-key": key(),
        "payment-provider": json.dumps({"api_key": secrets.token_hex(16)}),
        "payment-webhook-keys": json.dumps(notices),
        "clickhouse": json.dumps({"username": "default", "password": ""}),
    }


def put_secrets(session: boto3.Session) -> None:
    """Those that are not there yet."""
    manager = session.client("secretsmanager")
    for name, value in fresh_secrets().items():
        try:
            manager.create_secret(Name=f"casino-club/{STAGE}/{name}", SecretString=value)
        except manager.exceptions.ResourceExistsException:
            pass


def hand_over(session: boto3.Session, work: Path) -> None:
    """What a payment provider beside the emulator has to know, as files."""
    manager = session.client("secretsmanager")
    for name in ("payment-provider", "payment-webhook-keys"):
        secret = manager.get_secret_value(SecretId=f"casino-club/{STAGE}/{name}")
        file = work / f"{name}.json"
        file.touch(mode=0o600)
        file.write_text(secret["SecretString"])


def put_bucket(session: boto3.Session) -> None:
    s3 = session.client("s3")
    try:
        s3.create_bucket(
            Bucket=BUCKET, CreateBucketConfiguration={"LocationConstraint": REGION}
        )
    except (s3.exceptions.BucketAlreadyOwnedByYou, s3.exceptions.BucketAlreadyExists):
        pass


def declared(key: str):
    """What samconfig.toml says of the dev stage's deployment."""
    config = tomllib.loads((ROOT / "samconfig.toml").read_text())
    return config[STAGE]["deploy"]["parameters"][key]


def parameters(given: list[str]) -> dict[str, str]:
    """The dev stage's, for the architecture that was built, and those given."""
    architecture = (BOOTSTRAPS / "architecture").read_text().strip()
    # What refers to a service of AWS's stays at its default.
    own = [pair for pair in declared("parameter_overrides") if "{{resolve:" not in pair]
    pairs = [*own, f"Architecture={architecture}", *given]
    return dict(pair.split("=", 1) for pair in pairs)


def sam(*arguments: str) -> bool:
    """Whether SAM CLI, the one beside this interpreter, succeeds."""
    command = [str(Path(sys.executable).parent / "sam"), *arguments, "--region", REGION]
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    if done.returncode:
        say(done.stdout)
    return done.returncode == 0


def package(work: Path) -> Path:
    """The template with every `CodeUri` replaced by the address of its zip."""
    # SAM CLI takes folders of binaries where the template has folders of sources.
    text = (ROOT / "template.yaml").read_text()
    source, packaged = work / "template.yaml", work / "packaged.yaml"
    source.write_text(text.replace("CodeUri: functions/", f"CodeUri: {BOOTSTRAPS}/"))
    files = ["--template-file", str(source), "--output-template-file", str(packaged)]
    if not sam("package", *files, "--s3-bucket", BUCKET, "--no-progressbar"):
        sys.exit("the template was not packaged")
    return packaged


def deploy(session: boto3.Session, packaged: Path, values: dict[str, str]) -> None:
    done = sam(
        "deploy",
        *("--template-file", str(packaged), "--stack-name", STACK, "--s3-bucket", BUCKET),
        *("--capabilities", *declared("capabilities").split()),
        *("--no-progressbar", "--no-fail-on-empty-changeset"),
        *("--parameter-overrides", *(f"{name}={value}" for name, value in values.items())),
    )
    if not done:
        # Once more at the end, and whole: SAM CLI cuts them to fit a column.
        for event in failures(session):
            reason = event.get("ResourceStatusReason")
            say(f"{event['LogicalResourceId']}: {event['ResourceStatus']}: {reason}")
        sys.exit("the stack was not deployed")


def failures(session: boto3.Session) -> list[dict]:
    """What the stack says failed, the newest first."""
    pages = session.client("cloudformation").get_paginator("describe_stack_events")
    events = [event for page in pages.paginate(StackName=STACK) for event in page["StackEvents"]]
    return [event for event in events if event["ResourceStatus"].endswith("_FAILED")]


def resources(session: boto3.Session) -> dict[str, tuple[str, str]]:
    """Type and physical id by logical id."""
    described = session.client("cloudformation").describe_stack_resources(StackName=STACK)
    return {
        found["LogicalResourceId"]: (found["ResourceType"], found["PhysicalResourceId"])
        for found in described["StackResources"]
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--endpoint", required=True, help="http://host:port of all services")
    parser.add_argument("--parameter", action="append", default=[], metavar="NAME=VALUE")
    parser.add_argument("--work", type=Path, default=ROOT / ".local/deployed")
    args = parser.parse_args()
    args.work.mkdir(parents=True, exist_ok=True)
    os.environ.update(
        AWS_ENDPOINT_URL=args.endpoint,
        AWS_ACCESS_KEY_ID="test",
        AWS_SECRET_ACCESS_KEY="test",
        AWS_DEFAULT_REGION=REGION,
        AWS_EC2_METADATA_DISABLED="true",
        SAM_CLI_TELEMETRY="0",
        NO_PROXY="*",
    )
    session = boto3.Session(region_name=REGION)
    account = session.client("sts").get_caller_identity()["Account"]
    put_secrets(session)
    hand_over(session, args.work)
    put_bucket(session)
    values = parameters(args.parameter)
    say("packaging")
    packaged = package(args.work)
    say("deploying")
    deploy(session, packaged, values)
    found = resources(session)
    deployment = {
        "endpoint": args.endpoint,
        "region": REGION,
        "account": account,
        "stack": STACK,
        "parameters": values,
        "functions": {
            logical: name
            for logical, (kind, name) in found.items()
            if kind == "AWS::Lambda::Function"
        },
    }
    if {"HttpApi", "SocketApi"} <= found.keys():
        # An emulator's APIs are not where AWS's would be, and only now have ids.
        host = args.endpoint.split("://", 1)[1]
        address = f"://{host}/_aws/execute-api/"
        socket = f"{address}{found['SocketApi'][1]}/realtime"
        values.update(SocketUrl=f"ws{socket}", SocketEndpoint=f"http{socket}")
        say("deploying again, with the address of the socket")
        deploy(session, packaged, values)
        deployment["base_url"] = f"http{address}{found['HttpApi'][1]}/$default"
        deployment["socket_url"] = values["SocketUrl"]
    else:
        say("this emulator has made no APIs; its functions can be invoked one by one")
    (args.work / "deployment.json").write_text(json.dumps(deployment, indent=2) + "\n")
    say(f"written: {args.work / 'deployment.json'}")


if __name__ == "__main__":
    main()
