//! A broker that creates no topics, asks who one is, compacts at once. One for all tests.

use std::collections::BTreeMap;

use anyhow::Result;
use rowpost_servers::{
    cache::Cache,
    certificates::Authority,
    kafka::{ScramUser, security},
    run_directory,
};
use rowpost_tests::KafkaBroker;
use tokio::sync::OnceCell;

/// A user who may do everything, and one who may do nothing.
pub(crate) const TRUSTED: &str = "trusted";
pub(crate) const STRANGER: &str = "stranger";

/// The plaintext listener may do everything too.
pub(crate) async fn broker() -> Result<&'static KafkaBroker> {
    static STRICT: OnceCell<KafkaBroker> = OnceCell::const_new();
    STRICT.get_or_try_init(start).await
}

async fn start() -> Result<KafkaBroker> {
    let directory = run_directory::subfolder(&Cache::open()?, "papers")?;
    let authority = Authority::create(&directory)?;
    let users = [TRUSTED, STRANGER]
        .map(|name| ScramUser { name: name.to_owned(), password: password(name) });
    let mut options = security::secured(&authority, &authority.issue("broker")?, &users)?;
    for (name, value) in [
        ("auto.create.topics.enable", "false"),
        ("authorizer.class.name", "org.apache.kafka.metadata.authorizer.StandardAuthorizer"),
        ("super.users", "User:ANONYMOUS;User:trusted"),
        ("log.cleaner.backoff.ms", "100"),
    ] {
        options.properties.push((name.to_owned(), value.to_owned()));
    }
    KafkaBroker::start_with(options).await
}

fn password(user: &str) -> String {
    format!("password-of-{user}")
}

/// Properties of a client that logs in with the user's password.
pub(crate) fn login(user: &str) -> BTreeMap<String, String> {
    login_with(user, &password(user))
}

pub(crate) fn login_with(user: &str, password: &str) -> BTreeMap<String, String> {
    [
        ("security.protocol", "sasl_plaintext"),
        ("sasl.mechanism", "SCRAM-SHA-256"),
        ("sasl.username", user),
        ("sasl.password", password),
    ]
    .into_iter()
    .map(|(name, value)| (name.to_owned(), value.to_owned()))
    .collect()
}
