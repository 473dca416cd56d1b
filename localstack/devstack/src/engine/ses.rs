//! SES: accepts mails and keeps them, as nobody's mailbox.
//!
//! In memory, and with a directory also as one JSON file each, which a restart reads
//! again. Every domain counts as a verified identity; nothing is ever delivered.

use std::{
    collections::{HashMap, VecDeque},
    path::{Path, PathBuf},
    sync::{Mutex, MutexGuard, PoisonError},
};

use percent_encoding::percent_decode_str;
use serde::{Deserialize, Serialize};

use super::{ACCOUNT, Answer, REGION, fresh_id, now};

/// The newest that are kept in memory. Files stay.
const KEPT: usize = 1_000;

/// A mail that was accepted.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Mail {
    pub id: String,
    /// When it was accepted, RFC 3339.
    pub at: String,
    pub from: String,
    pub to: Vec<String>,
    pub subject: String,
    pub text: String,
    pub html: String,
}

/// All mails of the stack, the oldest in front.
#[derive(Debug)]
pub(super) struct Ses {
    mails: Mutex<VecDeque<Mail>>,
    folder: Option<PathBuf>,
}

/// What a request of the query protocol says, by the names of its parameters.
struct Parameters(HashMap<String, String>);

/// Why a mail is not accepted: the error's code, and a message.
struct Refusal(&'static str, String);

impl Ses {
    /// The mails of earlier runs, and more to come in the same folder.
    ///
    /// # Errors
    /// The folder cannot be made or read.
    pub(super) fn open(folder: Option<&Path>) -> anyhow::Result<Self> {
        let mut mails = VecDeque::new();
        if let Some(folder) = folder {
            std::fs::create_dir_all(folder)?;
            let mut files: Vec<_> =
                folder.read_dir()?.map(|file| Ok(file?.path())).collect::<std::io::Result<_>>()?;
            // Their names begin with the time.
            files.sort();
            for file in files.iter().rev().take(KEPT) {
                // Other files are no business of ours.
                let mail =
                    std::fs::read(file).ok().and_then(|mail| serde_json::from_slice(&mail).ok());
                mail.into_iter().for_each(|mail| mails.push_front(mail));
            }
        }
        Ok(Self { mails: Mutex::new(mails), folder: folder.map(Path::to_owned) })
    }

    /// All that are kept, the newest first.
    pub(super) fn mails(&self) -> Vec<Mail> {
        self.all().iter().rev().cloned().collect()
    }

    pub(super) fn call(&self, operation: &str, body: &[u8]) -> Answer {
        let accepted = match operation {
            "SendEmail" => self.send(&Parameters::read(body)),
            _ => Err(Refusal("InvalidAction", operation.to_owned())),
        };
        match accepted {
            Ok(id) => xml(
                200,
                &format!(
                    "<SendEmailResponse xmlns=\"http://ses.amazonaws.com/doc/2010-12-01/\">\
                 <SendEmailResult><MessageId>{id}</MessageId></SendEmailResult>\
                 <ResponseMetadata><RequestId>{id}</RequestId></ResponseMetadata>\
                 </SendEmailResponse>"
                ),
            ),
            Err(Refusal(code, message)) => error(400, code, &message),
        }
    }

    fn send(&self, given: &Parameters) -> Result<String, Refusal> {
        let to = given.list("Destination.ToAddresses.member");
        let from = given.text("Source");
        for address in to.iter().chain([&from]) {
            if !address.split_once('@').is_some_and(|(name, domain)| {
                !name.is_empty() && domain.contains('.') && !address.contains(char::is_whitespace)
            }) {
                return Err(Refusal("InvalidParameterValue", "Illegal address".to_owned()));
            }
        }
        if to.is_empty() {
            return Err(Refusal("ValidationError", "Destination is required".to_owned()));
        }
        let id = fresh_id().simple().to_string();
        let mail = Mail {
            id: id.clone(),
            at: now().to_string(),
            from,
            to,
            subject: given.text("Message.Subject.Data"),
            text: given.text("Message.Body.Text.Data"),
            html: given.text("Message.Body.Html.Data"),
        };
        self.write(&mail)?;
        let mut mails = self.all();
        mails.push_back(mail);
        let surplus = mails.len().saturating_sub(KEPT);
        mails.drain(..surplus);
        Ok(id)
    }

    /// Before it is acknowledged.
    fn write(&self, mail: &Mail) -> Result<(), Refusal> {
        let Some(folder) = &self.folder else { return Ok(()) };
        let text = serde_json::to_vec_pretty(mail).expect("mails serialize");
        let name = format!("{}-{}.json", now().as_millisecond(), mail.id);
        std::fs::write(folder.join(name), text).map_err(|error| {
            tracing::error!(%error, "the mailbox refused a write");
            Refusal("ServiceUnavailable", "The mail could not be stored.".to_owned())
        })
    }

    fn all(&self) -> MutexGuard<'_, VecDeque<Mail>> {
        self.mails.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Parameters {
    /// From a form: `name=value&…`, with `+` for a space.
    fn read(body: &[u8]) -> Self {
        let text = String::from_utf8_lossy(body);
        let decoded = |part: &str| {
            let spaced = part.replace('+', " ");
            percent_decode_str(&spaced).decode_utf8_lossy().into_owned()
        };
        let pairs = text.split('&').filter_map(|pair| pair.split_once('='));
        Self(pairs.map(|(name, value)| (decoded(name), decoded(value))).collect())
    }

    fn text(&self, name: &str) -> String {
        self.0.get(name).cloned().unwrap_or_default()
    }

    /// `name.1`, `name.2`, …
    fn list(&self, name: &str) -> Vec<String> {
        (1..).map_while(|number| self.0.get(&format!("{name}.{number}")).cloned()).collect()
    }
}

/// What a call of the query protocol is called, by its body.
pub(super) fn operation(body: &[u8]) -> String {
    Parameters::read(body).text("Action")
}

/// The identity that a mail is sent as: of IAM's two, address and domain, the domain.
pub(super) fn identity(body: &[u8]) -> Option<String> {
    let from = Parameters::read(body).text("Source");
    let (_, domain) = from.split_once('@')?;
    Some(identity_arn(domain))
}

fn identity_arn(identity: &str) -> String {
    format!("arn:aws:ses:{REGION}:{ACCOUNT}:identity/{identity}")
}

/// An error in the shape of the query protocol.
pub(super) fn error(status: u16, code: &str, message: &str) -> Answer {
    let message = message.replace('&', "&amp;").replace('<', "&lt;");
    xml(
        status,
        &format!(
            "<ErrorResponse xmlns=\"http://ses.amazonaws.com/doc/2010-12-01/\"><Error>\
         <Type>Sender</Type><Code>{code}</Code><Message>{message}</Message></Error>\
         </ErrorResponse>"
        ),
    )
}

fn xml(status: u16, body: &str) -> Answer {
    Answer { status, body: body.as_bytes().to_vec() }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn form(to: &str) -> String {
        format!(
            "Action=SendEmail&Version=2010-12-01&Source=no-reply%40club.example\
             &Destination.ToAddresses.member.1={to}&Message.Subject.Data=%EC%95%88%EB%85%95\
             &Message.Body.Text.Data=a+b%26c&Message.Body.Html.Data=%3Cp%3E"
        )
    }

    #[test]
    fn a_mail_is_kept_as_it_was_sent_and_outlives_a_restart() {
        let folder = tempfile::tempdir().expect("a folder");
        let ses = Ses::open(Some(folder.path())).expect("a mailbox");
        for to in ["a%40b.example", "c%40d.example"] {
            assert_eq!(ses.call("SendEmail", form(to).as_bytes()).status, 200);
        }
        let mails = ses.mails();
        assert_eq!(mails[0].to, ["c@d.example"], "the newest first");
        assert_eq!((mails[1].subject.as_str(), mails[1].text.as_str()), ("안녕", "a b&c"));
        assert_eq!(mails[1].html, "<p>");
        assert_eq!(Ses::open(Some(folder.path())).expect("the same mailbox").mails(), mails);
    }

    #[test]
    fn what_is_no_address_is_refused_and_not_kept() {
        let ses = Ses::open(None).expect("a mailbox");
        for to in ["nobody", "%40b.example", "a%40b", "a%40b.example%0d%0aBcc"] {
            let answer = ses.call("SendEmail", form(to).as_bytes());
            let body = String::from_utf8(answer.body).expect("text");
            assert!(answer.status == 400 && body.contains("InvalidParameterValue"), "{body}");
        }
        assert_eq!(ses.call("DeleteIdentity", b"").status, 400);
        assert!(ses.mails().is_empty());
    }

    #[test]
    fn a_mail_is_sent_as_its_senders_domain() {
        let arn = identity(form("a%40b.example").as_bytes());
        assert_eq!(
            arn.as_deref(),
            Some("arn:aws:ses:us-east-1:000000000000:identity/club.example")
        );
        assert_eq!(operation(form("a").as_bytes()), "SendEmail");
    }
}
