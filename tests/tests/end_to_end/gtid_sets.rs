//! GTID sets as real servers have them: holes, tags, many sources, thousands of intervals, purged ones.

use anyhow::Result;
use rowpost_tests::{MysqlServer, Setup, eventually, needs};

use crate::{
    case::Case,
    position_set::{self, assert_ended, set},
    position_show::show,
    stack::LONG,
};

const ELSEWHERE: &str = "3e11fa47-71ca-11e1-9e33-c80aa9429562";
const FAR: &str = "4e11fa47-71ca-11e1-9e33-c80aa9429562";

/// Every second number: as many intervals as numbers.
fn sieve(count: u64) -> String {
    (0..count).map(|number| format!(":{}", 2 * number + 1)).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn sets_of_every_form_are_resumed_from_exactly() -> Result<()> {
    needs!(Setup::Current.tier());
    let mysql = MysqlServer::start(Setup::Current).await?;
    let case = Case::on(&mysql, "forms").await?;
    // Purged and never in the binlog: 5000 intervals, and a tag.
    let purged = format!("{ELSEWHERE}{},{FAR}:old:1-7:9", sieve(5000));
    mysql.exec(format!("set global gtid_purged = '+{purged}'")).await?;
    let config = position_set::config(&case)?;
    let mut relay = case.relay_with(config.clone()).await?;
    let mut session = case.session().await?;

    let forms = [
        format!("{ELSEWHERE}:2"),
        format!("{ELSEWHERE}:20000"),
        format!("{FAR}:8"),
        format!("{FAR}:old:8"),
        format!("{FAR}:new_tag:3"),
        format!("{FAR}:new_tag:1"),
    ];
    for (number, gtid) in forms.iter().enumerate() {
        session.run(format!("set gtid_next = '{gtid}'")).await?;
        session.insert(2).await?;
        session.run("set gtid_next = 'automatic'").await?;
        session.run("set gtid_next = 'automatic:relay_test'").await?;
        session.insert(1).await?;
        session.run("set gtid_next = 'automatic'").await?;
        if number % 2 == 0 {
            case.records(session.ids.len()).await?;
            relay.kill9()?;
            session.insert(1).await?;
            relay.start_again()?;
        }
    }
    case.expect(&mut session).await?;

    eventually("the checkpoint has all that the server has", LONG, async || {
        let executed: String = mysql.value("select @@global.gtid_executed").await?;
        let stored = show(&config).await?;
        let stored = stored["checkpoint"]["position"]["gtid_set"].as_str().map(str::to_owned);
        Ok::<_, anyhow::Error>(stored == Some(executed.replace('\n', "").to_lowercase()))
    })
    .await;
    relay.terminate(LONG).await?;

    // Back behind one hole only: that transaction alone comes once more.
    let executed: String = mysql.value("select @@global.gtid_executed").await?;
    let hole = format!("{FAR}:new_tag:3");
    let without: String = mysql
        .value(&format!("select gtid_subtract('{}', '{hole}')", executed.replace('\n', "")))
        .await?;
    let without = without.replace('\n', "");
    let said = set(&config, &[&without, "--yes"]).await?;
    assert_ended(&said, 0, &["REPEATED", &format!("1 transaction ({hole})")]);
    let before = session.ids.len();
    relay.start_again()?;
    let records = case.records(before + 2).await?;
    // Each form has two rows and one with an automatic GTID; every second one more.
    let again: Vec<&str> = records[before..].iter().map(|record| record.event_id()).collect();
    assert_eq!(again, session.ids[14..16], "the rows of {hole}");
    Ok(())
}
