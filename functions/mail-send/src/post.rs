//! The way out: SES, and the queue for what it refuses.

use std::time::Duration;

use aws_sdk_ses::{
    Client,
    error::{ProvideErrorMetadata, SdkError},
    operation::send_email::{SendEmailError, builders::SendEmailFluentBuilder},
    types::{Body, Content, Destination, Message},
};
use domain::{EmailAddress, Envelope};
use runtime::Deps;
use serde_json::json;

use crate::letter::Letter;

/// How long SES may take: a mail that it accepts later than that is sent again.
const PATIENCE: Duration = Duration::from_secs(5);

#[derive(Clone)]
pub struct Post {
    ses: Client,
    from: String,
    sqs: aws_sdk_sqs::Client,
    failures: String,
}

/// Why a mail was not accepted, by the code of the error: its message may quote the
/// address.
#[derive(Debug, PartialEq, Eq)]
pub enum Failure {
    /// It will not be: the mail itself is what is wrong.
    Refused(String),
    /// It may be, another time.
    Later(String),
}

impl Post {
    /// `None` when `MAIL_FROM` is empty: mail is off.
    pub fn new(deps: &Deps) -> Result<Option<Self>, runtime::Error> {
        let failures = deps.env.require("FAILURE_QUEUE_URL")?.to_owned();
        let Some(from) = deps.env.get("MAIL_FROM") else { return Ok(None) };
        // The trigger is what tries again: a mail whose fate is unknown would only be
        // sent twice at once.
        let config = aws_sdk_ses::config::Builder::from(deps.aws())
            .retry_config(aws_sdk_ses::config::retry::RetryConfig::disabled())
            .timeout_config(
                aws_sdk_ses::config::timeout::TimeoutConfig::builder()
                    .operation_timeout(PATIENCE)
                    .build(),
            )
            .build();
        Ok(Some(Self {
            ses: Client::from_conf(config),
            from: from.to_owned(),
            sqs: aws_sdk_sqs::Client::new(deps.aws()),
            failures,
        }))
    }

    pub async fn send(&self, to: &EmailAddress, letter: &Letter) -> Result<(), Failure> {
        self.request(to, letter).send().await.map(drop).map_err(|error| failure(&error))
    }

    fn request(&self, to: &EmailAddress, letter: &Letter) -> SendEmailFluentBuilder {
        let utf8 = |text: &str| {
            let content = Content::builder().data(text).charset("UTF-8").build();
            content.expect("the data is set")
        };
        let body = Body::builder().text(utf8(&letter.text)).html(utf8(&letter.html)).build();
        self.ses
            .send_email()
            .source(&self.from)
            .destination(Destination::builder().to_addresses(to.expose()).build())
            .message(Message::builder().subject(utf8(&letter.subject)).body(body).build())
    }

    /// Keeps whom it was about and why, for somebody to look at. Not the mail, which
    /// is personal and follows from the entry.
    pub async fn set_aside(
        &self,
        event: &Envelope,
        code: &str,
    ) -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
        let body = json!({
            "reason": code, "event_type": event.event_type, "user_id": event.user_id,
            "seq": event.seq, "trace_id": event.trace_id,
        });
        let message = self.sqs.send_message().queue_url(&self.failures);
        message.message_body(body.to_string()).send().await?;
        Ok(())
    }
}

/// What a service's refusal of one mail is called. Everything else may pass: limits,
/// outages, and what an operator has yet to set up.
const REFUSALS: [&str; 3] = ["MessageRejected", "InvalidParameterValue", "ValidationError"];

fn failure(error: &SdkError<SendEmailError>) -> Failure {
    let code = match error {
        SdkError::ServiceError(service) => service.err().code().unwrap_or("unknown"),
        SdkError::TimeoutError(_) => "timeout",
        SdkError::ConstructionFailure(_) => "not a request",
        _ => "no answer",
    };
    if REFUSALS.contains(&code) || matches!(error, SdkError::ConstructionFailure(_)) {
        return Failure::Refused(code.to_owned());
    }
    Failure::Later(code.to_owned())
}
