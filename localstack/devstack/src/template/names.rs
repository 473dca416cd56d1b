//! Pseudo parameters, and the names and ARNs that follow from them.

use crate::engine::{ACCOUNT, REGION};

/// What AWS knows about a deployment before it reads the template.
///
/// A resource without an explicit name is called `<stack>-<logical id>`; AWS
/// adds a random suffix, which nothing may depend on.
#[derive(Clone, Debug)]
pub struct Pseudo {
    pub region: String,
    /// Twelve digits.
    pub account_id: String,
    pub stack_name: String,
    /// `aws`, `aws-cn`, …
    pub partition: String,
    /// `amazonaws.com`, the value of `AWS::URLSuffix`.
    pub url_suffix: String,
}

/// The embedded engines' account and region, and a stack named `local`.
impl Default for Pseudo {
    fn default() -> Self {
        Self {
            region: REGION.into(),
            account_id: ACCOUNT.into(),
            stack_name: "local".into(),
            partition: "aws".into(),
            url_suffix: "amazonaws.com".into(),
        }
    }
}

impl Pseudo {
    /// `arn:<partition>:<service>:<region>:<account>:<resource>`.
    #[must_use]
    pub fn arn(&self, service: &str, resource: &str) -> String {
        let Self { partition, region, account_id, .. } = self;
        format!("arn:{partition}:{service}:{region}:{account_id}:{resource}")
    }

    /// The name of a resource that the template does not name.
    #[must_use]
    pub fn generated_name(&self, logical_id: &str) -> String {
        format!("{}-{logical_id}", self.stack_name)
    }

    /// The ARN of a function that the template does not name.
    #[must_use]
    pub fn function_arn(&self, logical_id: &str) -> String {
        self.arn("lambda", &format!("function:{}", self.generated_name(logical_id)))
    }

    /// The ARN of the role that SAM makes for a function.
    #[must_use]
    pub fn role_arn(&self, logical_id: &str) -> String {
        let Self { partition, account_id, .. } = self;
        let role = self.generated_name(&format!("{logical_id}Role"));
        format!("arn:{partition}:iam::{account_id}:role/{role}")
    }

    #[must_use]
    pub fn table_arn(&self, table: &str) -> String {
        self.arn("dynamodb", &format!("table/{table}"))
    }

    /// The label is a creation time on AWS and constant here.
    #[must_use]
    pub fn table_stream_arn(&self, table: &str) -> String {
        self.arn("dynamodb", &format!("table/{table}/stream/2026-01-01T00:00:00.000"))
    }

    #[must_use]
    pub fn kinesis_arn(&self, stream: &str) -> String {
        self.arn("kinesis", &format!("stream/{stream}"))
    }

    #[must_use]
    pub fn queue_arn(&self, queue: &str) -> String {
        self.arn("sqs", queue)
    }

    #[must_use]
    pub fn queue_url(&self, queue: &str) -> String {
        let Self { region, url_suffix, account_id, .. } = self;
        format!("https://sqs.{region}.{url_suffix}/{account_id}/{queue}")
    }

    /// The id of an API: its logical id in lower case. AWS picks a random one.
    #[must_use]
    pub fn api_id(&self, logical_id: &str) -> String {
        logical_id.to_ascii_lowercase()
    }

    /// `<id>.execute-api.<region>.<suffix>`.
    #[must_use]
    pub fn api_host(&self, logical_id: &str) -> String {
        let Self { region, url_suffix, .. } = self;
        format!("{}.execute-api.{region}.{url_suffix}", self.api_id(logical_id))
    }
}
