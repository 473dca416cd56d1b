"""Takes the event stream away from the outbox of a running deployment, lets a
player play, gives it back, and asserts that every entry arrives.

    outage.py deployment.json poller.log
"""

import json
import os
import sys
import time
import urllib.request
from pathlib import Path

import boto3

DEADLINE = 60.0


def until(what: str, look):
    """The first true answer of `look`."""
    deadline = time.monotonic() + DEADLINE
    while not (found := look()):
        if time.monotonic() > deadline:
            sys.exit(f"in vain waited for: {what}")
        time.sleep(0.1)
    return found


class Player:
    def __init__(self, base_url: str) -> None:
        self.base_url, self.token = base_url, None
        name = f"outage{time.time_ns()}"
        self.id = self.post(
            "/api/auth/signup",
            site_id=name,
            nickname=name[-18:],
            password="correct-horse-9",
            invite_code="5858",
            birth_date="1998-04-01",
        )["user"]["id"]
        login = self.post("/api/auth/login", site_id=name, password="correct-horse-9")
        self.token = login["access_token"]

    def post(self, path: str, **body) -> dict:
        headers = {"content-type": "application/json"}
        if self.token:
            headers |= {"authorization": f"Bearer {self.token}", "idempotency-key": path}
        data = json.dumps(body).encode()
        request = urllib.request.Request(self.base_url + path, data, headers)
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        with opener.open(request, timeout=30) as answer:
            return json.load(answer)


def entries(session: boto3.Session, stream: str, player: str) -> list[int]:
    """The `seq` of each of the player's events on the stream, as they stand there."""
    kinesis = session.client("kinesis")
    found = []
    for shard in kinesis.list_shards(StreamName=stream)["Shards"]:
        iterator = kinesis.get_shard_iterator(
            StreamName=stream, ShardId=shard["ShardId"], ShardIteratorType="TRIM_HORIZON"
        )["ShardIterator"]
        while records := (page := kinesis.get_records(ShardIterator=iterator))["Records"]:
            iterator = page["NextShardIterator"]
            mine = [record for record in records if record["PartitionKey"] == player]
            found += [json.loads(record["Data"])["seq"] for record in mine]
    return found


def journal(session: boto3.Session, table: str, player: str) -> list[int]:
    """The `seq` of each of the player's entries."""
    answer = session.client("dynamodb").query(
        TableName=table,
        KeyConditionExpression="pk = :player and begins_with(sk, :entry)",
        ExpressionAttributeValues={
            ":player": {"S": f"PLAYER#{player}"},
            ":entry": {"S": "ENTRY#"},
        },
    )
    return [int(item["sk"]["S"].removeprefix("ENTRY#")) for item in answer["Items"]]


def main() -> None:
    deployment = json.loads(Path(sys.argv[1]).read_text())
    log = Path(sys.argv[2])
    os.environ.update(
        AWS_ENDPOINT_URL=deployment["endpoint"],
        AWS_ACCESS_KEY_ID="test",
        AWS_SECRET_ACCESS_KEY="test",
        NO_PROXY="*",
    )
    session = boto3.Session(region_name=deployment["region"])
    functions = session.client("lambda")
    outbox = deployment["functions"]["OutboxFunction"]
    configuration = functions.get_function_configuration(FunctionName=outbox)
    variables = configuration["Environment"]["Variables"]
    stream, table = variables["EVENT_STREAM"], variables["TABLE_NAME"]

    def publish_to(name: str) -> None:
        environment = {"Variables": variables | {"EVENT_STREAM": name}}
        functions.update_function_configuration(FunctionName=outbox, Environment=environment)

    def failures() -> int:
        return log.read_bytes().count(b"OutboxFunction.Journal")

    player = Player(deployment["base_url"])

    def published() -> list[int]:
        """In the order of first arrival; at least once is what is promised."""
        return list(dict.fromkeys(entries(session, stream, player.id)))

    def all_published() -> bool:
        return published() == journal(session, table, player.id)

    until("everything before the outage", all_published)
    before, failed = published(), failures()
    publish_to(f"{stream}-gone")
    player.post("/api/streak/claim")
    player.post("/api/games/slot/spin", bet=10)
    until("the outbox fails again and again", lambda: failures() >= failed + 3)
    if published() != before:
        sys.exit("something was published without a stream")
    publish_to(stream)
    until("what failed comes back, in order", all_published)
    after = published()[len(before) :]
    print(f"outage: entries {after} failed {failures() - failed} times and then arrived")


if __name__ == "__main__":
    main()
