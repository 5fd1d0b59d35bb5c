//! Every collation of every server belongs to the character set that we take it for.

use anyhow::{Result, ensure};
use mysql_async::prelude::Queryable;
use rowpost::source::table_map::Charset;
use rowpost_tests::{
    mysql_server::{MysqlServer, Setup},
    needs,
};

#[tokio::test(flavor = "multi_thread")]
async fn collations_of_mysql_9_have_the_character_sets_we_take_them_for() -> Result<()> {
    needs!(Setup::Current.tier());
    check_collations(Setup::Current).await
}

#[tokio::test(flavor = "multi_thread")]
async fn collations_of_mysql_8_0_have_the_character_sets_we_take_them_for() -> Result<()> {
    needs!(Setup::Mysql80.tier());
    check_collations(Setup::Mysql80).await
}

#[tokio::test(flavor = "multi_thread")]
async fn collations_of_mysql_5_7_have_the_character_sets_we_take_them_for() -> Result<()> {
    needs!(Setup::Reference.tier());
    check_collations(Setup::Reference).await
}

async fn check_collations(setup: Setup) -> Result<()> {
    let mut connection = MysqlServer::shared(setup).await?.connect().await?;
    let collations: Vec<(u64, String)> = connection
        .query("select id, character_set_name from information_schema.collations")
        .await?;
    connection.disconnect().await?;

    ensure!(collations.len() > 200, "the server has collations");
    for (id, name) in collations {
        let (ours, theirs) = (Charset::of_collation(id), Charset::named(&name));
        ensure!(ours == theirs, "collation {id} is {name}, taken for {ours:?}");
    }
    Ok(())
}
