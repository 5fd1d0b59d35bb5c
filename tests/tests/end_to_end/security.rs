//! Encrypted and authenticated on both sides: what is let in publishes, what is refused says why.

use anyhow::Result;
use rowpost_servers::{
    cache::Cache,
    certificates::{Authority, Certificate},
    kafka::{ScramUser, security},
    run_directory,
};
use rowpost_tests::{
    KafkaBroker, MysqlServer, Relay, Setup, command_line::rowpost_with, mysql_server, needs,
    relay::RelayConfig, tier::Tier,
};
use tokio::sync::OnceCell;

use crate::stack::{LONG, Stack, assert_says, halts};

const ROWS: u64 = 40;
const PASSWORD: &str = "pass-that-nobody-reads";

/// Servers that show a certificate of `authority`; one set for all of these tests.
struct Sealed {
    mysql: MysqlServer,
    kafka: KafkaBroker,
    authority: Authority,
    client: Certificate,
    /// Another authority, and a certificate of it.
    stranger: Authority,
    forged: Certificate,
}

async fn sealed() -> Result<&'static Sealed> {
    static SEALED: OnceCell<Sealed> = OnceCell::const_new();
    SEALED.get_or_try_init(Sealed::start).await
}

impl Sealed {
    async fn start() -> Result<Self> {
        let directory = run_directory::subfolder(&Cache::open()?, "papers")?;
        let authority = Authority::create(&directory.join("ours"))?;
        let stranger = Authority::create(&directory.join("theirs"))?;
        let arguments = mysql_server::tls_arguments(&authority, &authority.issue("mysql")?);
        let users = [ScramUser { name: "relay".to_owned(), password: PASSWORD.to_owned() }];
        let options = security::secured(&authority, &authority.issue("broker")?, &users)?;
        let (mysql, kafka) = tokio::try_join!(
            MysqlServer::start_with(Setup::Current, &arguments),
            KafkaBroker::start_with(options),
        )?;
        let (client, forged) = (authority.issue("relay")?, stranger.issue("relay")?);
        Ok(Self { mysql, kafka, authority, client, stranger, forged })
    }

    async fn stack(&'static self, name: &str) -> Result<Stack<&'static MysqlServer>> {
        Stack::on(&self.mysql, &self.kafka, name).await
    }

    /// An account with the relay's privileges, and settings with its name.
    async fn account(
        &self,
        stack: &Stack<&'static MysqlServer>,
        options: &str,
    ) -> Result<RelayConfig> {
        let account = &stack.database;
        self.mysql.create_account(account, PASSWORD, options).await?;
        let grant = format!("grant replication slave, replication client on *.* to {account}");
        self.mysql.exec(grant).await?;
        let mut config = stack.config()?;
        config.set_text("mysql.url", &self.mysql.url_as(account, PASSWORD)?);
        Ok(config)
    }
}

fn set_path(config: &mut RelayConfig, key: &str, path: &std::path::Path) {
    config.set_text(key, &path.display().to_string());
}

fn show(config: &mut RelayConfig, client: &Certificate) {
    set_path(config, "mysql.tls.certificate", &client.certificate);
    set_path(config, "mysql.tls.key", &client.key);
}

/// Rows in, records out, and nothing secret in the log.
async fn publishes(stack: &Stack<&'static MysqlServer>, config: RelayConfig) -> Result<()> {
    let mut relay = Relay::start(config).await?;
    relay.wait_ready(LONG).await;
    stack.rows_arrive(ROWS).await?;
    assert_eq!(relay.terminate(LONG).await?.code(), Some(0));
    assert!(!relay.log_text()?.contains(PASSWORD));
    Ok(())
}

async fn is_refused(config: &RelayConfig, parts: &[&str]) -> Result<()> {
    let (code, log) = halts(config.clone()).await?;
    assert_eq!(code, Some(69), "{log}");
    assert_says(&log, parts);
    assert!(!log.contains(PASSWORD), "{log}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn account_that_requires_a_client_certificate_publishes_with_it_only() -> Result<()> {
    needs!(Tier::Mysql9, Tier::Kafka);
    let sealed = sealed().await?;
    let stack = sealed.stack("x509").await?;
    let mut config = sealed.account(&stack, "require x509").await?;

    is_refused(&config, &["Access denied", "TLS"]).await?;
    set_path(&mut config, "mysql.tls.ca", &sealed.authority.certificate());
    is_refused(&config, &["Access denied", "certificate"]).await?;
    show(&mut config, &sealed.forged);
    is_refused(&config, &["mysql.tls.certificate"]).await?;

    show(&mut config, &sealed.client);
    publishes(&stack, config).await
}

#[tokio::test(flavor = "multi_thread")]
async fn server_of_an_unknown_authority_is_refused_and_the_setting_is_named() -> Result<()> {
    needs!(Tier::Mysql9, Tier::Kafka);
    let sealed = sealed().await?;
    let stack = sealed.stack("unknown_ca").await?;
    let mut config = stack.config()?;
    set_path(&mut config, "mysql.tls.ca", &sealed.stranger.certificate());

    is_refused(&config, &["TLS", "name the authority", "mysql.tls.ca"]).await?;
    // Who looks at the chain only, still looks at the chain.
    config.set("mysql.tls.skip_hostname_verification", true);
    is_refused(&config, &["TLS", "mysql.tls.ca"]).await
}

/// Once the server has seen a password it remembers its digest; before, the password itself has to
/// be shown: as it is over TLS, encrypted with the server's RSA key otherwise.
#[tokio::test(flavor = "multi_thread")]
async fn password_is_proven_to_a_server_that_has_not_seen_it_with_tls_and_without() -> Result<()> {
    needs!(Tier::Mysql9, Tier::Kafka);
    let sealed = sealed().await?;
    for (name, with_tls) in [("cold_plain", false), ("cold_tls", true)] {
        let stack = sealed.stack(name).await?;
        let mut config = sealed.account(&stack, "").await?;
        if with_tls {
            set_path(&mut config, "mysql.tls.ca", &sealed.authority.certificate());
        }
        sealed.mysql.exec("flush privileges").await?;

        let check = rowpost_with(&config, &["check"]).await?;
        publishes(&stack, config).await?;

        assert_eq!(check.code, Some(0), "{check:?}");
        let encryption = if with_tls { "TLSv1_3" } else { "no TLS" };
        assert_says(&check.stdout, &[&format!("caching_sha2_password, {encryption}")]);
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn certificate_that_mysql_made_itself_is_accepted_without_the_host_name() -> Result<()> {
    needs!(Tier::Mysql9, Tier::Kafka);
    let stack = Stack::shared(Setup::Current, "self_made").await?;
    let data: String = stack.mysql.value("select @@datadir").await?;
    let mut config = stack.config()?;
    config.set_text("mysql.tls.ca", &format!("{data}ca.pem"));

    is_refused(&config, &["TLS", "mysql.tls.skip_hostname_verification"]).await?;

    config.set("mysql.tls.skip_hostname_verification", true);
    publishes(&stack, config).await
}

fn property(config: &mut RelayConfig, name: &str, value: &str) {
    config.set_text(&format!("kafka.properties.\"{name}\""), value);
}

/// Settings for a listener of the sealed broker.
fn kafka_config(
    sealed: &Sealed,
    stack: &Stack<&'static MysqlServer>,
    listener: &str,
    mechanism: Option<&str>,
) -> Result<RelayConfig> {
    let mut config = stack.config()?;
    config.set_text("kafka.bootstrap_servers", &stack.kafka.listener(listener)?);
    let with_tls = listener != security::SASL;
    let protocol = match (mechanism, with_tls) {
        (None, _) => "SSL",
        (Some(_), true) => "SASL_SSL",
        (Some(_), false) => "SASL_PLAINTEXT",
    };
    property(&mut config, "security.protocol", protocol);
    if with_tls {
        let authority = sealed.authority.certificate().display().to_string();
        property(&mut config, "ssl.ca.location", &authority);
    }
    if let Some(mechanism) = mechanism {
        property(&mut config, "sasl.mechanism", mechanism);
        property(&mut config, "sasl.username", "relay");
        property(&mut config, "sasl.password", PASSWORD);
    }
    Ok(config)
}

#[tokio::test(flavor = "multi_thread")]
async fn relay_publishes_to_every_kind_of_kafka_listener() -> Result<()> {
    needs!(Tier::Mysql9, Tier::Kafka);
    let sealed = sealed().await?;
    for (name, listener, mechanism) in [
        ("k_tls", security::TLS, None),
        ("k_mutual", security::MUTUAL_TLS, None),
        ("k_plain", security::SASL_TLS, Some("PLAIN")),
        ("k_scram256", security::SASL, Some("SCRAM-SHA-256")),
        ("k_scram512", security::SASL_TLS, Some("SCRAM-SHA-512")),
    ] {
        let stack = sealed.stack(name).await?;
        let mut config = kafka_config(sealed, &stack, listener, mechanism)?;
        if listener == security::MUTUAL_TLS {
            let client = &sealed.client;
            let files = [("certificate", &client.certificate), ("key", &client.key)];
            for (what, file) in files {
                let name = format!("ssl.{what}.location");
                property(&mut config, &name, &file.display().to_string());
            }
        }

        publishes(&stack, config).await?;
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn wrong_password_is_refused_by_either_side_and_never_shown() -> Result<()> {
    needs!(Tier::Mysql9, Tier::Kafka);
    const WRONG: &str = "hunter2-is-wrong";
    let sealed = sealed().await?;
    let stack = sealed.stack("wrong").await?;

    let mut config = sealed.account(&stack, "").await?;
    config.set_text("mysql.url", &sealed.mysql.url_as(&stack.database, WRONG)?);
    let (code, log) = halts(config).await?;
    assert_eq!(code, Some(69), "{log}");
    assert_says(&log, &["Access denied", "mysql.url", "mysql.password_file"]);
    assert!(!log.contains(WRONG), "{log}");

    let mut config = kafka_config(sealed, &stack, security::SASL_TLS, Some("SCRAM-SHA-512"))?;
    property(&mut config, "sasl.password", WRONG);
    let (code, log) = halts(config).await?;
    assert_eq!(code, Some(69), "{log}");
    assert_says(&log, &["the broker refuses the login", "kafka.properties", "sasl."]);
    assert!(!log.contains(WRONG), "{log}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn broker_of_an_unknown_authority_is_refused_and_the_property_is_named() -> Result<()> {
    needs!(Tier::Mysql9, Tier::Kafka);
    let sealed = sealed().await?;
    let stack = sealed.stack("broker_ca").await?;
    let mut config = kafka_config(sealed, &stack, security::TLS, None)?;
    let stranger = sealed.stranger.certificate().display().to_string();
    property(&mut config, "ssl.ca.location", &stranger);

    let check = rowpost_with(&config, &["check"]).await?;

    assert_eq!(check.code, Some(69), "{check:?}");
    assert_says(&check.stdout, &["FAILED", "certificate", "ssl.ca.location"]);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn property_that_would_break_a_promise_is_refused_by_name() -> Result<()> {
    needs!(Tier::Mysql9, Tier::Kafka);
    let stack = Stack::shared(Setup::Current, "property").await?;
    for (name, value, reason) in [
        ("acks", "1", "acks=all"),
        ("enable.idempotence", "false", "twice"),
        ("transactional.id", "mine", "fences"),
    ] {
        let mut config = stack.config()?;
        property(&mut config, name, value);

        let (code, log) = halts(config).await?;

        assert_eq!(code, Some(64), "{log}");
        assert_says(&log, &[&format!("kafka.properties.{name}"), "is refused", reason]);
    }
    Ok(())
}
