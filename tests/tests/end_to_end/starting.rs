//! Where the relay begins, and who may publish.

use anyhow::{Context, Result};
use rowpost_tests::{MysqlServer, Random, Relay, Setup, Writers, eventually, needs};

use crate::{
    case::Case,
    consumer::{self, Record},
    stack::{LONG, Stack},
};

/// `file:position`, and the GTIDs executed, empty where there are none.
pub(crate) async fn end_of_binlog(mysql: &MysqlServer) -> Result<(String, String)> {
    let statement = match mysql.setup() {
        Setup::Current => "show binary log status",
        Setup::Reference | Setup::Mysql80 => "show master status",
    };
    let (file, position, _, _, gtids): (String, u64, String, String, String) =
        mysql.value(statement).await?;
    Ok((format!("{file}:{position}"), gtids.replace('\n', "")))
}

async fn first_start_begins_where_it_is_told_to(setup: Setup) -> Result<()> {
    let case = Case::shared(setup, "policies").await?;
    let mut session = case.session().await?;
    session.insert(2).await?;
    let (coordinates, gtids) = end_of_binlog(case.mysql).await?;
    session.insert(3).await?;

    // What each publishes of rows 0 to 5, of which 5 comes once all have started.
    let mut starts = vec![("earliest", "earliest", 0), ("latest", "latest", 5)];
    starts.push(("coordinates", coordinates.as_str(), 2));
    if !gtids.is_empty() {
        starts.push(("gtids", gtids.as_str(), 2));
    }
    let mut relays = Vec::new();
    for (name, policy, _) in &starts {
        let mut config = case.config()?;
        config
            .set_text("source", &format!("{}.{name}", case.database))
            .set_text("mysql.start", policy)
            .set(
                "outbox",
                format!("[{{ table = '{0}.outbox', topic = '{0}.{name}' }}]", case.database),
            );
        relays.push(case.relay_with(config).await?);
    }
    session.insert(1).await?;

    for (name, _, first) in starts {
        let topic = format!("{}.{name}", case.database);
        let records = consumer::read(case.kafka, &topic, 6 - first).await?;
        let ids: Vec<&str> = records.iter().map(Record::event_id).collect();
        assert_eq!(ids, session.ids[first..], "{name}");
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn first_start_begins_where_it_is_told_to_on_the_current_server() -> Result<()> {
    needs!(Setup::Current.tier());
    first_start_begins_where_it_is_told_to(Setup::Current).await
}

#[tokio::test(flavor = "multi_thread")]
async fn first_start_begins_where_it_is_told_to_on_the_reference_server() -> Result<()> {
    needs!(Setup::Reference.tier());
    first_start_begins_where_it_is_told_to(Setup::Reference).await
}

#[tokio::test(flavor = "multi_thread")]
async fn start_by_gtids_is_refused_where_there_are_none() -> Result<()> {
    needs!(Setup::Reference.tier());
    let case = Case::shared(Setup::Reference, "no_gtids").await?;
    let mut config = case.config()?;
    config.set_text("mysql.start", "3e11fa47-71ca-11e1-9e33-c80aa9429562:1-5");

    let mut relay = Relay::start(config).await?;
    let exit = relay.wait_exit(LONG).await?;

    assert_eq!(exit.code(), Some(69));
    let log = relay.log_text()?;
    assert!(log.contains("whose gtid_mode is not ON; name `file:position`"), "{log}");
    Ok(())
}

async fn checkpoint_decides_whatever_the_policy_says(setup: Setup) -> Result<()> {
    let case = Case::shared(setup, "resumed").await?;
    let mut session = case.session().await?;
    let (before_all, _) = end_of_binlog(case.mysql).await?;
    let mut config = case.config()?;
    config.set_text("mysql.start", &before_all);
    session.insert(2).await?;
    let mut relay = case.relay_with(config).await?;
    case.records(2).await?;

    let middle = "coordinates of the middle";
    for policy in ["latest", middle, &before_all, "earliest"] {
        assert!(relay.terminate(LONG).await?.success());
        session.insert(2).await?;
        let (end, _) = end_of_binlog(case.mysql).await?;
        session.insert(1).await?;
        relay.config_mut().set_text("mysql.start", if policy == middle { &end } else { policy });
        relay.start_again()?;
        case.records(session.ids.len()).await?;
    }

    case.expect(&mut session).await?;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn checkpoint_decides_whatever_the_policy_says_on_the_current_server() -> Result<()> {
    needs!(Setup::Current.tier());
    checkpoint_decides_whatever_the_policy_says(Setup::Current).await
}

#[tokio::test(flavor = "multi_thread")]
async fn checkpoint_decides_whatever_the_policy_says_on_the_reference_server() -> Result<()> {
    needs!(Setup::Reference.tier());
    checkpoint_decides_whatever_the_policy_says(Setup::Reference).await
}

/// The files that a quiet outbox does not need any more can be purged, and nothing old is read again.
async fn checkpoint_advances_on_a_quiet_outbox(setup: Setup) -> Result<()> {
    let mysql = MysqlServer::start(setup).await?;
    let case = Case::on(&mysql, "quiet").await?;
    let mut config = case.config()?;
    config.set_text("checkpoint.interval", "200ms");
    let mut relay = case.relay_with(config).await?;
    let mut session = case.session().await?;

    session.insert(1).await?;
    for _ in 0..100 {
        session.insert_other().await?;
    }
    session.run("flush binary logs").await?;
    session.insert_other().await?;
    let (end, gtids) = end_of_binlog(&mysql).await?;
    eventually("the checkpoint is at the end", LONG, async || {
        let committed = &relay.status().await?["committed"];
        let coordinates = &committed["coordinates"];
        let at = match coordinates.as_str() {
            Some(text) => text.to_owned(),
            None => format!(
                "{}:{}",
                coordinates["file"].as_str().context("a file")?,
                coordinates["position"]
            ),
        };
        anyhow::ensure!(at == end, "at {at}, not {end}");
        Ok(committed["gtid_set"].as_str().unwrap_or_default().eq_ignore_ascii_case(&gtids))
    })
    .await;
    relay.kill9()?;
    let (file, _) = end.split_once(':').context("coordinates")?;
    session.run(format!("purge binary logs to '{file}'")).await?;
    relay.start_again()?;
    relay.wait_ready(LONG).await;
    session.insert(1).await?;
    case.records(2).await?;

    eventually("the relay counts what it has read", LONG, async || {
        Ok::<_, anyhow::Error>(relay.status().await?["totals"]["transactions_read"] == 1)
    })
    .await;
    case.expect(&mut session).await?;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn checkpoint_advances_on_a_quiet_outbox_of_the_current_server() -> Result<()> {
    needs!(Setup::Current.tier());
    checkpoint_advances_on_a_quiet_outbox(Setup::Current).await
}

#[tokio::test(flavor = "multi_thread")]
async fn checkpoint_advances_on_a_quiet_outbox_of_the_reference_server() -> Result<()> {
    needs!(Setup::Reference.tier());
    checkpoint_advances_on_a_quiet_outbox(Setup::Reference).await
}

async fn one_of_two_relays_halts(setup: Setup) -> Result<()> {
    let stack = Stack::start(setup, "fenced").await?;
    let mut options = stack.writers();
    options.rows_per_second = Some(500.0);
    let writers = Writers::start(&stack.mysql, &options, &mut Random::from_environment())?;
    let reader = stack.reader(writers.run())?;
    let mut first = Relay::start(stack.config()?).await?;
    first.wait_ready(LONG).await;
    eventually("rows flow", LONG, async || {
        Ok::<_, anyhow::Error>(crate::stack::records_committed(&first).await? > 0)
    })
    .await;

    // A server takes one replica with an id, so the two of them have to differ in that.
    let mut config = stack.config()?;
    config.set("mysql.server_id", 4_000_000_001_u32);
    let mut second = Relay::start(config).await?;
    // Mostly the first; the second where the first comes back while the second still fences.
    let (exit, is_first) = tokio::select! {
        exit = first.wait_exit(LONG) => (exit?, true),
        exit = second.wait_exit(LONG) => (exit?, false),
    };

    assert_eq!(exit.code(), Some(69));
    let (halted, other) = if is_first { (first, second) } else { (second, first) };
    let log = halted.log_text()?;
    assert!(log.contains("another relay of source"), "{log}");
    let ledger = writers.stop().await?;
    reader.complete_within(LONG, &ledger).await?;
    assert!(other.id().is_some(), "the other relay goes on");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn one_of_two_relays_of_a_source_halts_on_the_current_server() -> Result<()> {
    needs!(Setup::Current.tier());
    one_of_two_relays_halts(Setup::Current).await
}

#[tokio::test(flavor = "multi_thread")]
async fn one_of_two_relays_of_a_source_halts_on_the_reference_server() -> Result<()> {
    needs!(Setup::Reference.tier());
    one_of_two_relays_halts(Setup::Reference).await
}

/// Two servers and, on one of them, two outbox tables with a relay each; one topic takes it all.
#[tokio::test(flavor = "multi_thread")]
async fn sources_side_by_side_do_not_disturb_each_other() -> Result<()> {
    needs!(Setup::Current.tier(), Setup::Reference.tier());
    let one = Case::shared(Setup::Current, "side_by_side").await?;
    let two = Case::shared(Setup::Current, "side_by_side").await?;
    let three = Case::shared(Setup::Reference, "side_by_side").await?;
    let topic = one.topic();
    let (mut relays, mut sessions) = (Vec::new(), Vec::new());
    for case in [&one, &two, &three] {
        let mut config = case.config()?;
        config.set(
            "outbox",
            format!("[{{ table = '{}.outbox', topic = '{topic}' }}]", case.database),
        );
        relays.push(case.relay_with(config).await?);
        sessions.push(case.session().await?);
    }

    for round in 0..30 {
        for (number, session) in sessions.iter_mut().enumerate() {
            // Distinct ids: those of a session count from one.
            let id = format!("{number}{}", &session.id()[1..]);
            session
                .run(format!(
                    "insert into outbox (id, aggregatetype, aggregateid, type, payload) \
                     values ('{id}', 'x', 'k', 't', '{round}')"
                ))
                .await?;
            session.ids.push(id);
        }
        if round % 10 == 5 {
            relays[round % 3].kill9()?;
            relays[round % 3].start_again()?;
        }
    }

    let records = consumer::read(one.kafka, &topic, 90).await?;
    assert_eq!(records.len(), 90);
    for (number, session) in sessions.iter().enumerate() {
        let own = number.to_string();
        let ids: Vec<&str> =
            records.iter().map(Record::event_id).filter(|id| id.starts_with(&own)).collect();
        assert_eq!(ids, session.ids, "in order, each once, of source {number}");
    }
    Ok(())
}
