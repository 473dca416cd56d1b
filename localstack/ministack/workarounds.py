"""What ministack 1.5.33 does otherwise than AWS, and is made to do likewise.

This file is the whole list. Nothing of it is in template.yaml, which is deployed
here as it is. Each function below is one difference, with its reason; `apply`
puts all of them into the emulator before it serves.
"""

import contextvars
import json

from ministack.services import apigateway
from ministack.services.cloudformation import provisioners

HANDLERS = provisioners._RESOURCE_HANDLERS


def apply() -> None:
    import_api_definitions()
    leave_streams_to_our_poller()
    accept_alarms_on_expressions()
    answer_handshakes_as_connect_did()


def import_api_definitions() -> None:
    """Of an HTTP API with a definition (`Body`), ministack creates the API and
    ignores the definition, so that every path is 404. SAM writes all routes of an
    `AWS::Serverless::HttpApi` and its CORS configuration into the definition."""
    api = HANDLERS["AWS::ApiGatewayV2::Api"]
    create, update = api["create"], api["update"]

    def with_cors(props: dict) -> dict:
        cors = (props.get("Body") or {}).get("x-amazon-apigateway-cors")
        if cors is None:
            return props
        if not isinstance(cors, dict):
            raise ValueError(f"x-amazon-apigateway-cors is no configuration: {cors!r}")
        return {**props, "CorsConfiguration": cors}

    def import_routes(api_id: str, props: dict) -> None:
        paths = (props.get("Body") or {}).get("paths", {})
        if not paths:
            return
        apigateway._routes[api_id] = {}
        apigateway._integrations[api_id] = {}
        for path, operations in paths.items():
            for method, operation in operations.items():
                integration = operation["x-amazon-apigateway-integration"]
                key = path if path == "$default" else f"{verb(method)} {path}"
                made = apigateway._create_integration(
                    api_id,
                    {
                        "integrationType": integration["type"].upper(),
                        "integrationUri": integration["uri"],
                        "payloadFormatVersion": integration["payloadFormatVersion"],
                    },
                )
                target = f"integrations/{json_of(made)['integrationId']}"
                json_of(apigateway._create_route(api_id, {"routeKey": key, "target": target}))

    def created(logical_id, props, stack_name):
        api_id, attributes = create(logical_id, with_cors(props), stack_name)
        import_routes(api_id, props)
        return api_id, attributes

    def updated(physical_id, old_props, new_props, stack_name, logical_id=None):
        done = update(physical_id, old_props, with_cors(new_props), stack_name, logical_id)
        import_routes(physical_id, new_props)
        return done

    api.update(create=created, update=updated)


def leave_streams_to_our_poller() -> None:
    """ministack's mappings of table and Kinesis streams take an answer that names
    failed records (`batchItemFailures`) for a success, and what failed is lost;
    nor do they bisect, count attempts or keep the order per key. They stay
    disabled; `stream-poller` reads the streams instead. Mappings of queues do as
    AWS does and are left alone."""
    mapping = HANDLERS["AWS::Lambda::EventSourceMapping"]
    create, update = mapping["create"], mapping["update"]

    def disabled(props: dict) -> dict:
        is_queue = ":sqs:" in str(props.get("EventSourceArn"))
        return props if is_queue else {**props, "Enabled": False}

    def created(logical_id, props, stack_name):
        return create(logical_id, disabled(props), stack_name)

    def updated(physical_id, old_props, new_props, *args, **kwargs):
        return update(physical_id, disabled(old_props), disabled(new_props), *args, **kwargs)

    mapping.update(create=created, update=updated)


def accept_alarms_on_expressions() -> None:
    """ministack fails the whole stack for an alarm on an expression (`Metrics`).
    Such an alarm is accepted and not made; nothing here raises alarms."""
    alarm = HANDLERS["AWS::CloudWatch::Alarm"]
    create, update = alarm["create"], alarm["update"]

    def accepted(logical_id: str, stack_name: str):
        name = f"{stack_name}-{logical_id}"
        return name, {"Arn": f"arn:aws:cloudwatch:::alarm:{name}"}

    def created(logical_id, props, stack_name):
        if "Metrics" in props:
            return accepted(logical_id, stack_name)
        return create(logical_id, props, stack_name)

    def updated(physical_id, old_props, new_props, stack_name, logical_id=None):
        if "Metrics" in new_props:
            return accepted(logical_id, stack_name)
        return update(physical_id, old_props, new_props, stack_name, logical_id)

    alarm.update(create=created, update=updated)


def answer_handshakes_as_connect_did() -> None:
    """When `$connect` refuses, ministack answers 403 whatever the function's
    status was; and when it accepts, the function's `Sec-WebSocket-Protocol` is
    dropped, without which a browser that offered protocols hangs up."""
    invoke, handle = apigateway._invoke_ws_lambda, apigateway.handle_websocket
    connecting: contextvars.ContextVar[dict] = contextvars.ContextVar("connecting")

    async def noted(api_id, account, region, route, stage, connection, event_type, *args, **kwargs):
        answer = await invoke(
            api_id, account, region, route, stage, connection, event_type, *args, **kwargs
        )
        if event_type == "CONNECT":
            connecting.get().update(answer or {})
        return answer

    async def handled(scope, receive, send, *args, **kwargs):
        answer: dict = {}
        connecting.set(answer)
        opened = False

        async def told(message):
            nonlocal opened
            if message["type"] == "websocket.accept":
                opened = True
                headers = {k.lower(): v for k, v in (answer.get("headers") or {}).items()}
                if protocol := headers.get("sec-websocket-protocol"):
                    message = {**message, "subprotocol": protocol}
            refused = message["type"] == "websocket.close" and not opened
            if refused and (status := answer.get("statusCode")):
                await apigateway._refuse_ws_handshake(scope, send, int(status), "", "", "")
            else:
                await send(message)

        await handle(scope, receive, told, *args, **kwargs)

    apigateway._invoke_ws_lambda = noted
    apigateway.handle_websocket = handled


def verb(method: str) -> str:
    return "ANY" if method == "x-amazon-apigateway-any-method" else method.upper()


def json_of(response: tuple) -> dict:
    """The body of an answer of the emulator's own API."""
    status, _, body = response
    if status >= 300:
        raise ValueError(f"{status} {body!r}")
    return json.loads(body)
