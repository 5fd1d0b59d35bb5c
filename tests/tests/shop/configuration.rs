//! Services that are told something wrong: each ends, and names what it is.

use std::{
    net::TcpListener,
    process::{Command, Output, Stdio},
    time::Duration,
};

use anyhow::{Context, Result};
use rowpost_tests::{
    eventually, needs,
    outbox::sql,
    shop::{LONG, Service, Shop, Style},
    tier::Tier,
};

use crate::stage::shared;

/// Longer than a service waits for its database.
const ENDS_WITHIN: Duration = Duration::from_secs(90);

/// A second one of this service with other settings, until it ends.
async fn run(service: &Service, settings: &[(&str, &str)]) -> Result<Output> {
    let mut command = tokio::process::Command::from(Command::new(service.binary()));
    for (name, _) in std::env::vars_os() {
        if name.to_string_lossy().starts_with("SHOP_") {
            command.env_remove(name);
        }
    }
    command.envs(service.variables()).env("SHOP_LISTEN", "127.0.0.1:0");
    command.envs(settings.iter().copied());
    command.stdout(Stdio::piped()).stderr(Stdio::piped()).kill_on_drop(true);
    let ended = tokio::time::timeout(ENDS_WITHIN, command.spawn()?.wait_with_output()).await;
    Ok(ended.with_context(|| format!("{} goes on with {settings:?}", service.name()))??)
}

/// # Panics
/// Unless it ends with a failure, and its last words have all of `words`.
async fn assert_refused(
    service: &Service,
    settings: &[(&str, &str)],
    words: &[&str],
) -> Result<()> {
    let output = run(service, settings).await?;
    let said = String::from_utf8_lossy(&output.stderr);
    let name = service.name();
    assert!(!output.status.success(), "{name} ends well with {settings:?}");
    // Kafka's client may still be logging.
    let error = said.split_once("\nerror: ").or(said.split_once("error: "));
    let error = error.map_or("", |(_, error)| error);
    for word in words {
        assert!(error.contains(*word), "{name} with {settings:?} does not say {word:?}: {said}");
    }
    for noise in ["panicked", "CONFWARN"] {
        assert!(!said.contains(noise), "{said}");
    }
    Ok(())
}

fn with_database(shop: &Shop) -> [&Service; 3] {
    [&shop.order, &shop.inventory, &shop.payment]
}

fn mysql_url(service: &Service) -> String {
    service.variables().remove("SHOP_MYSQL_URL").expect("it has a database")
}

#[tokio::test]
async fn wrong_database_ends_a_service_by_its_name() -> Result<()> {
    needs!(Tier::Mysql9);
    let shop = shared(Style::Choreography).await?;

    for service in with_database(shop) {
        let url = mysql_url(service);
        let (server, schema) = url.rsplit_once('/').context("a schema")?;
        let (_, address) = server.rsplit_once('@').context("an account")?;
        let password = format!("mysql://root:secret-of-test@{address}/{schema}");
        let nothing_there = format!("{server}/nothing_there");
        let cases: [(&str, &[&str]); 4] = [
            ("no-url", &["--mysql-url is not of the form"]),
            ("http://127.0.0.1/x", &["--mysql-url is not of the form"]),
            (&password, &["cannot connect to MySQL", "Access denied", "root"]),
            (&nothing_there, &["cannot connect to MySQL", "nothing_there"]),
        ];
        for (url, words) in cases {
            assert_refused(service, &[("SHOP_MYSQL_URL", url)], words).await?;
            let said = run(service, &[("SHOP_MYSQL_URL", url)]).await?.stderr;
            let said = String::from_utf8_lossy(&said);
            assert!(!said.contains("secret-of-test"), "a password is shown: {said}");
        }
    }
    Ok(())
}

#[tokio::test]
async fn missing_table_ends_a_service_by_its_name() -> Result<()> {
    needs!(Tier::Mysql9);
    let shop = shared(Style::Choreography).await?;
    let schema = format!("empty{}", std::process::id());
    shop.mysql.exec(format!("create database {schema}")).await?;

    for service in with_database(shop) {
        let root = format!("{}/{schema}", shop.mysql.url().trim_end_matches('/'));
        assert_refused(service, &[("SHOP_MYSQL_URL", &root)], &["outbox"]).await?;
    }
    // The library's tables are there, the service's own are not: as if its migration were forgotten.
    let library = ["outbox/0001_outbox.sql", "outbox/0002_headers.sql", "inbox/0001_inbox.sql"];
    let mut script = format!("use {schema};");
    for file in library {
        script.push_str(&sql(file)?);
    }
    shop.mysql.exec(script).await?;
    for (service, table) in
        with_database(shop).into_iter().zip(["customer_order", "inventory", "payment"])
    {
        let root = format!("{}/{schema}", shop.mysql.url().trim_end_matches('/'));
        let named = format!("cannot read the table `{table}`");
        let words = [&*named, "sql/shop"];
        assert_refused(service, &[("SHOP_MYSQL_URL", &root)], &words).await?;
    }
    Ok(())
}

#[tokio::test]
async fn port_in_use_ends_a_service_by_its_address() -> Result<()> {
    needs!(Tier::Mysql9);
    let shop = shared(Style::Choreography).await?;
    let holder = TcpListener::bind("127.0.0.1:0")?;
    let address = holder.local_addr()?.to_string();

    for service in shop.services() {
        let words = ["cannot listen on", &*address, "--listen"];
        assert_refused(service, &[("SHOP_LISTEN", &address)], &words).await?;
    }
    Ok(())
}

#[tokio::test]
async fn wrong_setting_ends_a_service_by_its_name() -> Result<()> {
    needs!(Tier::Mysql9);
    let shop = shared(Style::Choreography).await?;

    for service in shop.services() {
        assert_refused(service, &[("SHOP_LISTEN", "here")], &["here", "--listen"]).await?;
        assert_refused(service, &[("SHOP_LOG", "shop=loud")], &["--log"]).await?;
    }
    for service in with_database(shop) {
        let kafka = [("SHOP_KAFKA_PROPERTY", "no.such.property=1")];
        assert_refused(service, &kafka, &["no.such.property"]).await?;
        assert_refused(service, &[("SHOP_KAFKA_PROPERTY", "odd")], &["key=value"]).await?;
    }
    for (service, setting, value, words) in [
        (&shop.order, "SHOP_SAGA", "opera", ["--saga", "choreography"]),
        (&shop.order, "SHOP_STEP_DEADLINE", "soon", ["--step-deadline", "soon"]),
        (&shop.payment, "SHOP_GATEWAY", "no url", ["--gateway", "http://host:port"]),
        (&shop.payment, "SHOP_CHARGE_DEADLINE", "-1s", ["--charge-deadline", "-1s"]),
    ] {
        assert_refused(service, &[(setting, value)], &words).await?;
    }
    Ok(())
}

/// It may be started before Kafka: it waits, and says for whom.
#[tokio::test]
async fn unknown_kafka_is_named_in_the_log_until_it_is_there() -> Result<()> {
    needs!(Tier::Mysql9);
    let mut shop = Shop::start("nokafka", Style::Choreography).await?;
    let item = shop.add_item(1_000, 10).await?;
    let holder = TcpListener::bind("127.0.0.1:0")?;
    let nobody = holder.local_addr()?.to_string();
    drop(holder);

    for service in ["order", "inventory", "payment"] {
        let service = shop.service_mut(service)?;
        let kafka = service.variables().remove("SHOP_KAFKA").context("no SHOP_KAFKA")?;
        service.terminate(LONG).await?;
        service.set("SHOP_KAFKA", &nobody);
        service.start_again()?;
        eventually("it says which broker is not there", LONG, async || {
            let log = service.log_text()?;
            Ok::<_, anyhow::Error>(log.lines().any(|line| line.contains(&nobody)))
        })
        .await;
        service.assert_running();
        assert_eq!(service.terminate(Duration::from_secs(20)).await?.code(), Some(0));
        service.set("SHOP_KAFKA", kafka);
        service.start_again()?;
    }

    let id = shop.place(&rowpost_tests::shop::Order::of(item, 1)).await?;
    assert_eq!(shop.ended(&id).await, rowpost_tests::shop::Ended::Complete);
    Ok(())
}
