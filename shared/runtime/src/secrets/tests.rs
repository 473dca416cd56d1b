use std::sync::atomic::{AtomicI64, Ordering};

use super::*;
use crate::{Entropy, Env};

const FIVE_MINUTES: i64 = 300;

fn deps(now: &Arc<AtomicI64>) -> Deps {
    let env: Env = [("WORD_SECRET".to_owned(), "word".to_owned())].into_iter().collect();
    let now = Arc::clone(now);
    let clock = Clock::new(move || Timestamp::from_second(now.load(Ordering::Relaxed)).unwrap());
    Deps::new(env, clock, Entropy::new(|bytes| bytes.fill(0)))
}

fn word(text: &str) -> Result<String, String> {
    if text == "bad" { Err("a bad word".to_owned()) } else { Ok(text.to_owned()) }
}

/// A vault whose one secret changes.
async fn rotate(secret: &mut Rotating<String>, to: &str) {
    let kept = secret.0.kept.write().unwrap().take();
    let inner = Inner {
        id: secret.0.id.clone(),
        vault: Vault::Given(Arc::new([("word".to_owned(), to.to_owned().into())].into())),
        clock: secret.0.clock.clone(),
        parse: secret.0.parse,
        kept: RwLock::new(kept),
        fetching: tokio::sync::Mutex::default(),
    };
    *secret = Rotating(Arc::new(inner));
}

#[tokio::test]
async fn a_rotated_secret_is_noticed_within_minutes() {
    let now = Arc::new(AtomicI64::new(1_800_000_000));
    let deps = deps(&now).with_secrets([("word", "old")]);
    let mut secret = deps.secret("WORD_SECRET", word).unwrap();
    deps.ready().await.unwrap();
    assert_eq!(*secret.current().await.unwrap(), "old");
    rotate(&mut secret, "new").await;
    now.fetch_add(FIVE_MINUTES - 1, Ordering::Relaxed);
    assert_eq!(*secret.current().await.unwrap(), "old");
    now.fetch_add(1, Ordering::Relaxed);
    assert_eq!(*secret.current().await.unwrap(), "new");
}

#[tokio::test]
async fn a_broken_rotation_leaves_the_older_value_in_use() {
    let now = Arc::new(AtomicI64::new(1_800_000_000));
    let deps = deps(&now).with_secrets([("word", "old")]);
    let mut secret = deps.secret("WORD_SECRET", word).unwrap();
    deps.ready().await.unwrap();
    rotate(&mut secret, "bad").await;
    now.fetch_add(FIVE_MINUTES, Ordering::Relaxed);
    assert_eq!(*secret.current().await.unwrap(), "old");
}

#[tokio::test]
async fn a_function_without_its_secret_does_not_start() {
    let now = Arc::new(AtomicI64::new(1_800_000_000));
    for (secrets, problem) in
        [([("other", "x")], "cannot be fetched"), ([("word", "bad")], "cannot be used")]
    {
        let deps = deps(&now).with_secrets(secrets);
        let secret = deps.secret("WORD_SECRET", word).unwrap();
        let error = deps.ready().await.unwrap_err().to_string();
        assert!(error.contains(problem), "{error}");
        assert!(secret.current().await.is_err());
    }
    assert!(deps(&now).with_secrets([]).secret("UNSET", word).is_err());
}
