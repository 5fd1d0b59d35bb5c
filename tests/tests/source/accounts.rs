//! Authentication and TLS.

use std::fs;

use anyhow::Result;
use rowpost::config::StartPolicy;
use rowpost_servers::certificates::Authority;
use rowpost_tests::{MysqlServer, Setup, mysql_server, needs, outbox, tier::Tier};
use serde_json::json;

use crate::stage::Stage;

/// Reads one row as this account.
async fn reads(stage: &Stage<'_>) -> Result<()> {
    let mut reading = stage.read().await?;
    let mut writer = stage.writer().await?;
    writer.insert(&[10]).await?;
    reading.until(1).await?;
    reading.stop().await
}

async fn least_privileges_are_enough(setup: Setup) -> Result<()> {
    let mysql = MysqlServer::start(setup).await?;
    let mut stage = Stage::new(&mysql).await?;
    outbox::create_account(&mysql, &stage.database).await?;

    stage.set("/mysql/url", json!(mysql.url_as("rowpost", "rowpost")?));

    reads(&stage).await
}

#[tokio::test]
async fn account_of_the_migrations_can_read_with_gtids() -> Result<()> {
    needs!(Tier::Mysql9);
    least_privileges_are_enough(Setup::Current).await
}

#[tokio::test]
async fn account_of_the_migrations_can_read_on_the_reference_flags() -> Result<()> {
    needs!(Tier::Mysql57);
    least_privileges_are_enough(Setup::Reference).await
}

#[tokio::test]
async fn every_authentication_plugin_lets_in_with_tls_and_without() -> Result<()> {
    needs!(Tier::Mysql9);
    let directory = tempfile::tempdir()?;
    let authority = Authority::create(directory.path())?;
    let arguments = mysql_server::tls_arguments(&authority, &authority.issue("mysql")?);
    let mysql = MysqlServer::start_with(Setup::Current, &arguments).await?;
    let mut stage = Stage::new(&mysql).await?;
    let grant = "grant replication slave, replication client on *.* to";

    for plugin in ["caching_sha2_password", "sha256_password"] {
        for password in ["", "päss'word"] {
            let account = format!("'u{}{}'@'%'", plugin.len(), password.len());
            let quoted = password.replace('\'', "''");
            mysql
                .exec(format!("create user {account} identified with {plugin} by '{quoted}'"))
                .await?;
            mysql.exec(format!("{grant} {account}")).await?;
            let name = account.split('\'').nth(1).unwrap_or_default();
            let url = mysql.url_as(name, &password.replace('ä', "%C3%A4").replace('\'', "%27"))?;
            stage.set("/mysql/url", json!(url));
            for tls in [json!({}), json!({ "ca": authority.certificate() })] {
                stage.set("/mysql/tls", tls.clone());
                // Nothing cached: the password itself has to be proven, by RSA without TLS.
                mysql.exec("flush privileges").await?;
                let opened = stage.start(StartPolicy::Latest).await;
                assert!(opened.is_ok(), "{plugin} {password:?} {tls}: {opened:?}");
                let cached = stage.start(StartPolicy::Latest).await;
                assert!(cached.is_ok(), "{plugin} {password:?} {tls}, again: {cached:?}");
            }
        }
    }
    Ok(())
}

#[tokio::test]
async fn stream_is_read_over_tls_with_a_client_certificate() -> Result<()> {
    needs!(Tier::Mysql9);
    let directory = tempfile::tempdir()?;
    let authority = Authority::create(&directory.path().join("ours"))?;
    let stranger = Authority::create(&directory.path().join("theirs"))?;
    let arguments = mysql_server::tls_arguments(&authority, &authority.issue("mysql")?);
    let mysql = MysqlServer::start_with(Setup::Current, &arguments).await?;
    mysql.create_account("sealed", "secret", "require x509").await?;
    mysql.exec("grant replication slave, replication client on *.* to sealed").await?;
    let client = authority.issue("relay")?;
    let mut stage = Stage::new(&mysql).await?;
    stage.set("/mysql/url", json!(mysql.url_as("sealed", "secret")?));
    let tls = |ca: &Authority| {
        json!({
            "ca": ca.certificate(),
            "certificate": client.certificate,
            "key": client.key,
        })
    };

    let plain = stage.start(StartPolicy::Latest).await.unwrap_err();
    stage.set("/mysql/tls", json!({ "ca": authority.certificate() }));
    let without = stage.start(StartPolicy::Latest).await.unwrap_err();
    stage.set("/mysql/tls", tls(&stranger));
    let mistrusting = stage.start(StartPolicy::Latest).await.unwrap_err();
    stage.set("/mysql/tls", tls(&authority));
    reads(&stage).await?;

    assert!(plain.to_string().contains("Access denied"), "{plain}");
    assert!(without.to_string().contains("Access denied"), "{without}");
    assert!(mistrusting.to_string().contains("TLS"), "{mistrusting}");
    Ok(())
}

#[tokio::test]
async fn host_name_of_a_certificate_is_checked_unless_told_otherwise() -> Result<()> {
    needs!(Tier::Mysql9);
    // The server's own certificate, which names no host.
    let mysql = MysqlServer::start(Setup::Current).await?;
    let data: String = mysql.value("select @@datadir").await?;
    let mut stage = Stage::new(&mysql).await?;
    let tls =
        |skip: bool| json!({ "ca": format!("{data}ca.pem"), "skip_hostname_verification": skip });

    stage.set("/mysql/tls", tls(false));
    let checked = stage.start(StartPolicy::Latest).await;
    stage.set("/mysql/tls", tls(true));

    assert!(checked.is_err());
    reads(&stage).await
}

#[tokio::test]
async fn rotated_password_is_taken_up_at_the_next_connect() -> Result<()> {
    needs!(Tier::Mysql9);
    let mysql = MysqlServer::start(Setup::Current).await?;
    let mut stage = Stage::new(&mysql).await?;
    outbox::create_account(&mysql, &stage.database).await?;
    let directory = tempfile::tempdir()?;
    let file = directory.path().join("password");
    fs::write(&file, "rowpost\n")?;
    stage.set("/mysql/url", json!(mysql.url_as("rowpost", "")?));
    stage.set("/mysql/password_file", json!(file));
    let mut reading = stage.read().await?;
    let mut writer = stage.writer().await?;
    writer.insert(&[10]).await?;
    reading.until(1).await?;

    fs::write(&file, "another\n")?;
    writer.run("alter user rowpost identified by 'another'").await?;
    let thread: u64 = mysql
        .value("select id from information_schema.processlist where user = 'rowpost' limit 1")
        .await?;
    mysql.exec(format!("kill {thread}")).await?;
    writer.insert(&[10]).await?;

    reading.expect(&writer.committed).await?;
    reading.stop().await
}
