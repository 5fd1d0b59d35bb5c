//! Each set-up is the server it claims to be, and sql/ works on all of them.

use std::{path::PathBuf, time::Duration};

use anyhow::Result;
use mysql_async::{Conn, Opts, OptsBuilder, SslOpts, prelude::Queryable};
use rowpost_servers::{cache::Cache, certificates::Authority, run_directory};
use rowpost_tests::{MysqlServer, Setup, eventually, mysql_server, needs, outbox, tier::Tier};

#[tokio::test]
async fn reference_server_has_the_reference_flags_and_no_gtids() -> Result<()> {
    needs!(Tier::Mysql57);
    let mysql = MysqlServer::shared(Setup::Reference).await?;

    let flags: (String, String, u64, u64, String, String) = mysql
        .value(
            "select @@version, @@gtid_mode, @@max_binlog_size, @@sync_binlog, @@binlog_format,
                    @@log_bin_basename",
        )
        .await?;

    assert!(flags.0.starts_with("5.7"), "{flags:?}");
    assert_eq!((flags.1.as_str(), flags.2, flags.3, flags.4.as_str()), ("OFF", 4096, 1, "ROW"));
    assert!(flags.5.ends_with("/bin-log"), "{flags:?}");
    Ok(())
}

async fn has_gtids_and_row_metadata(setup: Setup, version: &str) -> Result<()> {
    let mysql = MysqlServer::shared(setup).await?;

    let flags: (String, String, String) =
        mysql.value("select @@version, @@gtid_mode, @@binlog_row_metadata").await?;

    assert!(flags.0.starts_with(version), "{flags:?}");
    assert_eq!((flags.1.as_str(), flags.2.as_str()), ("ON", "FULL"));
    Ok(())
}

#[tokio::test]
async fn current_server_has_gtids_and_full_row_metadata() -> Result<()> {
    needs!(Tier::Mysql9);
    has_gtids_and_row_metadata(Setup::Current, "9.").await
}

#[tokio::test]
async fn mysql_80_server_has_gtids_and_full_row_metadata() -> Result<()> {
    needs!(Tier::Mysql80);
    has_gtids_and_row_metadata(Setup::Mysql80, "8.0.").await
}

#[tokio::test]
async fn two_servers_of_one_template_have_two_uuids() -> Result<()> {
    needs!(Tier::Mysql57);
    let (one, two) =
        (MysqlServer::start(Setup::Reference).await?, MysqlServer::start(Setup::Reference).await?);

    let query = "select @@server_uuid";
    let (one, two): (String, String) = (one.value(query).await?, two.value(query).await?);

    assert_ne!(one, two);
    Ok(())
}

/// The relay's account can do what the relay does, and nothing beyond.
async fn account_is_enough_and_no_more(setup: Setup) -> Result<()> {
    let mysql = MysqlServer::shared(setup).await?;
    outbox::create(mysql, "account").await?;
    outbox::create_account(mysql, "account").await?;
    mysql.exec("create table account.secret (id int primary key)").await?;
    let url = mysql.url_as("rowpost", "rowpost")?;
    let opts = OptsBuilder::from_opts(Opts::from_url(&url)?).prefer_socket(false);
    let mut relay = Conn::new(opts).await?;

    relay.query_drop("show binary logs").await?;
    let tables: Vec<(String, u64)> = relay
        .query(
            "select table_name, count(*) from information_schema.columns
             where table_schema = 'account' group by table_name",
        )
        .await?;
    let mut refused = Vec::new();
    for statement in [
        "select * from account.secret",
        "delete from account.outbox",
        "insert into account.outbox (id, aggregatetype, aggregateid, type) values ('', '', '', '')",
        "create database more",
        "set global max_connections = 1",
        "purge binary logs before now()",
    ] {
        refused.push(relay.query_drop(statement).await.is_err());
    }

    assert_eq!(tables, [("outbox".to_owned(), 6)]);
    assert_eq!(refused, [true; 6]);
    Ok(())
}

#[tokio::test]
async fn account_is_enough_and_no_more_on_the_current_server() -> Result<()> {
    needs!(Tier::Mysql9);
    account_is_enough_and_no_more(Setup::Current).await
}

#[tokio::test]
async fn account_is_enough_and_no_more_on_the_reference_server() -> Result<()> {
    needs!(Tier::Mysql57);
    account_is_enough_and_no_more(Setup::Reference).await
}

#[tokio::test]
async fn account_that_requires_tls_is_let_in_only_with_it() -> Result<()> {
    needs!(Tier::Mysql9);
    let directory = run_directory::subfolder(&Cache::open()?, "papers")?;
    let authority = Authority::create(&directory)?;
    let arguments = mysql_server::tls_arguments(&authority, &authority.issue("mysql")?);
    let mysql = MysqlServer::start_with(Setup::Current, &arguments).await?;
    mysql.create_account("sealed", "secret", "require ssl").await?;
    let plain = OptsBuilder::from_opts(Opts::from_url(&mysql.url_as("sealed", "secret")?)?)
        .prefer_socket(false);
    let trusting = |ca: PathBuf| SslOpts::default().with_root_certs(vec![ca.into()]);
    let stranger = Authority::create(&directory.join("stranger"))?;

    let without = Conn::new(plain.clone()).await;
    let mistrusting = Conn::new(plain.clone().ssl_opts(trusting(stranger.certificate()))).await;
    let mut with = Conn::new(plain.ssl_opts(trusting(authority.certificate()))).await?;

    assert!(without.is_err() && mistrusting.is_err());
    let cipher: Option<(String, String)> =
        with.query_first("show status like 'Ssl_cipher'").await?;
    assert!(cipher.is_some_and(|(_, cipher)| !cipher.is_empty()));
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn paused_server_keeps_its_connections_and_answers_after_the_pause() -> Result<()> {
    needs!(Tier::Mysql57, Tier::Kill);
    let mysql = MysqlServer::start(Setup::Reference).await?;
    let mut connection = mysql.connect().await?;

    mysql.pause().await?;
    let mut query = tokio::spawn(async move { connection.query_first::<u32, _>("select 1").await });
    let while_paused = tokio::time::timeout(Duration::from_millis(300), &mut query).await;
    mysql.resume().await?;

    assert!(while_paused.is_err());
    assert_eq!(query.await??, Some(1));
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn stopped_server_comes_back_with_its_data_on_its_port() -> Result<()> {
    needs!(Tier::Mysql57, Tier::Kill);
    let mysql = MysqlServer::start(Setup::Reference).await?;
    mysql.exec("create database kept").await?;
    let port = mysql.port()?;

    mysql.stop().await?;
    assert!(mysql.connect().await.is_err());
    mysql.start_again().await?;

    assert_eq!(mysql.port()?, port);
    eventually("the database is there", Duration::from_secs(5), async || {
        mysql.exec("use kept").await.map(|()| true)
    })
    .await;
    Ok(())
}
