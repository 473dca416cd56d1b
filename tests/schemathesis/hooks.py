"""What the generated calls of `cargo verify --only api-fuzz` need to get anywhere.

Tokens: each operation is called by somebody with the role it asks for. Whoever's
session or account a call may end is called by a player of its own, so that no call
spoils the next one.

Values: every other call with sound data names what there is (an account, a product,
an invite code), since none of that can be guessed.

Where another must have spoken first (a mail), they look it up in the stack's mailbox.

Counts: what was answered, by operation and status, goes to the file API_FUZZ_COUNTS.
"""

import atexit
import collections
import datetime
import functools
import itertools
import json
import os
import re
import time
import urllib.request

import schemathesis
from schemathesis.generation.meta import TestPhase

BASE_URL = os.environ["API_FUZZ_BASE_URL"]
COUNTS = os.environ["API_FUZZ_COUNTS"]
PASSWORD, INVITE_CODE = "correct-horse-9", "5858"
# Of localstack/seed/accounts.json.
STAFF = {"site_id": "admin", "password": "local-admin-5858"}
STAFF_ROLES = ("operator", "admin")
NO_FRAUD_RULES = {"format": 1, "thresholds": {}, "rules": []}
# A player's calls are paced; before it shows, the next player takes over.
CALLS_OF_A_PLAYER = 40
# Each ends a session or the account, or makes a password another.
SPENDS_ITS_CALLER = {"auth_logout", "auth_logout_all", "auth_password", "account_erase"}

counts: dict[str, collections.Counter] = collections.defaultdict(collections.Counter)
numbers = itertools.count(1)


def ask(path: str, body: dict, token: str = "", key: str = "", method: str = "POST") -> dict:
    headers = {"content-type": "application/json"}
    if token:
        headers |= {"authorization": f"Bearer {token}", "idempotency-key": key}
    request = urllib.request.Request(
        BASE_URL + path, data=json.dumps(body).encode(), headers=headers, method=method
    )
    with urllib.request.urlopen(request) as answer:
        return json.load(answer)


def eventually(what: str, look):
    """What `look` finds, once it finds something."""
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline:
        if found := look():
            return found
        time.sleep(0.05)
    raise TimeoutError(f"waited in vain for {what}")


def signup_body() -> dict:
    name = f"fuzz{next(numbers)}"
    return {
        "site_id": name,
        "nickname": name,
        "password": PASSWORD,
        "invite_code": INVITE_CODE,
        "birth_date": "1998-04-01",
    }


def newcomer() -> dict:
    return ask("/api/auth/signup", signup_body())


class Players:
    """Who calls, by operation."""

    def __init__(self):
        self.staff = None
        self.regular = None
        self.left = 0

    def token(self, operation) -> str:
        name = operation.definition.raw.get("operationId")
        role = operation.definition.raw.get("x-required-role")
        if role in STAFF_ROLES:
            self.staff = self.staff or ask("/api/auth/login", STAFF)
            return self.staff["access_token"]
        if name in SPENDS_ITS_CALLER:
            return newcomer()["access_token"]
        if not self.left:
            self.regular, self.left = newcomer(), CALLS_OF_A_PLAYER
        self.left -= 1
        return self.regular["access_token"]


players = Players()


@schemathesis.auth(refresh_interval=None)
class Bearer:
    def get(self, case, context):
        if not case.operation.definition.raw.get("security"):
            return None
        return players.token(case.operation)

    def set(self, case, data, context):
        if data:
            case.headers = {**(case.headers or {}), "Authorization": f"Bearer {data}"}


def package() -> dict:
    now = datetime.datetime.now(datetime.UTC)
    text = {"ko": "fuzz", "en": "fuzz"}
    return {
        "code": f"fuzz-{next(numbers)}",
        "name": text,
        "description": text,
        "price": {"gold": 1},
        "grants": {"streak_protection": 1},
        "stock": 1_000_000,
        "shards": 2,
        "per_user_cap": 99,
        "starts_at": (now - datetime.timedelta(days=1)).isoformat(),
        "ends_at": (now + datetime.timedelta(days=1)).isoformat(),
        "reason": "fuzz",
    }


@functools.cache
def offered() -> str:
    """A package that is on sale."""
    staff = ask("/api/auth/login", STAFF)["access_token"]
    body = package()
    ask("/api/admin/limited-packages", body, staff, "fuzz-offer")
    return body["code"]


@functools.cache
def registered(purpose: str) -> str:
    """A webhook endpoint. Each purpose has its own: one that is deleted is gone."""
    staff = ask("/api/auth/login", STAFF)["access_token"]
    url = f"http://127.0.0.1:9/{purpose}"
    body = {"url": url, "event_types": ["webhook.none"], "reason": "fuzz"}
    return ask("/api/admin/webhooks/endpoints", body, staff, f"fuzz-{purpose}")["endpoint"]["id"]


@functools.cache
def purchase() -> tuple[str, str]:
    """The token of somebody who has bought a pack, and the receipt."""
    token = newcomer()["access_token"]
    pack = {"product_id": "gold_pack_1000", "quantity": 1, "payment_token": "tok_ok"}
    return token, ask("/api/shop/buy", pack, token, "pack")["receipt"]


def confirmation() -> tuple[str, str]:
    """The token of somebody who has got a mail, and what the mail says."""
    token, to = newcomer()["access_token"], f"fuzz{next(numbers)}@mail.example"
    address = {"email": to, "password": PASSWORD}
    ask("/api/auth/email", address, token, "address", "PUT")

    def written():
        with urllib.request.urlopen(f"{BASE_URL}/_local/mailbox.json") as answer:
            mails = json.load(answer)
        mails = mails["mails"] if isinstance(mails, dict) else mails
        text = next((mail["text"] for mail in mails if to in mail["to"]), "")
        return re.search(r"^\d+\.\S+$", text, re.MULTILINE)

    return token, eventually("a mail", written).group()


# While the fraud rules do not mind this address yet.
purchase()
# While there is room for them.
registered("change"), registered("delete")


def as_somebody(case, token: str):
    """Has a call that would be made by one player be made by another."""
    if "Authorization" in (case.headers or {}):
        case.headers = {**case.headers, "Authorization": f"Bearer {token}"}


def after_another(case, name: str):
    """The calls that only answer to what another has said."""
    match name:
        case "shop_transaction" | "payment_settle":
            token, receipt = purchase()
            as_somebody(case, token)
            case.path_parameters = {"receipt": receipt}
        case "account_email_confirm":
            token, said = confirmation()
            as_somebody(case, token)
            case.body = {"token": said}


def known(name: str) -> dict:
    """Members of a sound body that only who knows them can send."""
    match name:
        case "auth_signup" | "auth_register":
            return signup_body()
        case "auth_login":
            body = signup_body()
            ask("/api/auth/signup", body)
            return {key: body[key] for key in ("site_id", "password")}
        case "auth_refresh":
            return {"refresh_token": newcomer()["refresh_token"]}
        case "auth_password":
            return {"current_password": PASSWORD, "new_password": f"{PASSWORD}-{next(numbers)}"}
        case "account_email":
            return {"email": f"fuzz{next(numbers)}@mail.example", "password": PASSWORD}
        case "account_rename":
            return {"nickname": f"fuzz{next(numbers)}"}
        case "slot_spin":
            return {"bet": 1}
        case "shop_buy" | "shop_purchase":
            if next(numbers) % 2:
                return {"product_id": "neon_frame", "quantity": 1}
            return {"product_id": "gold_pack_1000", "quantity": 1, "payment_token": "tok_ok"}
        case "limited_buy":
            return {"code": offered(), "quantity": 1, "payment_token": "tok_ok"}
        case "limited_offer":
            return package()
        case "limited_issue_promo":
            return {"code": f"fuzz-{next(numbers)}", "price": {"gold": 1}}
        case "fairness_verify":
            return {"game": "slot", "paytable_version": "slot-1", "server_seed": "0" * 64}
        case "invite_issue":
            end = datetime.datetime.now(datetime.UTC) + datetime.timedelta(days=30)
            return {"code": f"fuzz-{next(numbers)}", "expires_at": end.isoformat()}
        case "fraud_rules_put":
            return {"document": NO_FRAUD_RULES, "expected_version": 0}
        case "fraud_rules_test":
            return {"document": NO_FRAUD_RULES}
        case "webhook_register":
            return {"url": f"http://127.0.0.1:9/{next(numbers)}", "event_types": ["webhook.none"]}
    return {}


def known_path(name: str) -> dict:
    """As `known`, of the path."""
    match name:
        case "users_read":
            return {"id": newcomer()["user"]["id"]}
        case "webhook_update" | "webhook_rotate_secret":
            return {"id": registered("change")}
        case "webhook_delete":
            return {"id": registered("delete")}
        case "webhook_replay":
            return {"id": "msg_" + "A" * 43}
        case "limited_issue_promo":
            return {"code": offered()}
        case "dev_reset":
            return {"site_id": "user002"}
    return {}


@schemathesis.hook
def before_call(context, case, kwargs):
    if not case.meta or not case.meta.generation.mode.is_positive or next(numbers) % 2:
        return
    name = case.operation.definition.raw.get("operationId")
    members = known(name)
    if members and isinstance(case.body, dict):
        case.body = {**case.body, **members}
    if members := known_path(name):
        case.path_parameters = members
    if name == "webhook_delete":
        case.query = {**(case.query or {}), "reason": "fuzz"}
    # In the other phases each value is there for a reason.
    if case.meta.phase.name == TestPhase.FUZZING:
        after_another(case, name)


@schemathesis.hook
def after_call(context, case, response):
    counts[case.operation.label][response.status_code] += 1


@atexit.register
def write_counts():
    with open(COUNTS, "w") as file:
        json.dump(counts, file)
