//! Several hosts of one replication topology: one dies, and the next that has everything is read.

use std::process::Stdio;

use anyhow::{Context, Result};
use rowpost_tests::{
    MysqlServer, Random, Relay, Setup, WriterOptions, Writers,
    command_line::{self, rowpost_with},
    eventually,
    ledger::{Isolation, Ledger, Reader},
    needs, outbox,
    tier::Tier,
};

use crate::{
    case::Case,
    check::check,
    consumer,
    giant::write_one_transaction,
    pair::{Pair, of_hosts, reads_from},
    replay::{moment, replay},
    stack::{LONG, PARTITIONS, Stack, assert_says, records_committed},
    starting::end_of_binlog,
};

/// Until the status says why the relay is not ready.
async fn says(relay: &Relay, parts: &[&str]) {
    eventually("the status says why", LONG, async || {
        relay.assert_running();
        let reason = relay.status().await?["not_ready"].to_string();
        anyhow::ensure!(parts.iter().all(|part| reason.contains(part)), "{reason}");
        Ok(true)
    })
    .await;
}

async fn published_some(relay: &Relay) -> Result<u64> {
    let mut published = 0;
    eventually("something is out", LONG, async || {
        published = records_committed(relay).await?;
        Ok::<_, anyhow::Error>(published > 0)
    })
    .await;
    Ok(published)
}

#[tokio::test(flavor = "multi_thread")]
async fn leader_killed_inside_a_large_transaction_is_continued_on_its_replica() -> Result<()> {
    needs!(Tier::Mysql9, Tier::Kafka);
    let pair = Pair::start("failover_inside").await?;
    let Stack { mysql: leader, database, .. } = &pair.stack;
    let ledger = write_one_transaction(leader, database, 100_000, 60).await?;
    let reader = pair.stack.reader(ledger.run())?;
    let witness = pair.stack.reader_with(ledger.run(), Isolation::ReadUncommitted)?;
    pair.replica.catch_up_with(leader).await?;
    let mut config = pair.hosts_of(pair.stack.config()?)?;
    config.set("publish.batch_records_max", 1000).set_text("limits.chunk_bytes_max", "256KiB");

    let relay = Relay::start(config).await?;
    published_some(&relay).await?;
    leader.kill9().await?;
    let published = records_committed(&relay).await?;
    reads_from(&relay, &pair.replica).await?;
    reader.complete_within(LONG, &ledger).await?;

    assert!(
        published < ledger.committed() / 2,
        "{published} rows were out: no longer in its middle"
    );
    // A life that begins anew reads the transaction again from its checkpoint; this one just went on.
    witness.read_to_end().await?;
    assert_eq!(witness.duplicates(), 0);
    let metrics = relay.get("/metrics").await?.body;
    let host = format!("rowpost_source_host{{host=\"127.0.0.1:{}\"}} 1\n", pair.replica.port()?);
    assert!(metrics.contains(&host), "{metrics}");
    assert!(metrics.contains("rowpost_failovers_total 1\n"), "{metrics}");
    Ok(())
}

/// Rows of a topic of their own, which is read by one reader to its end.
struct Phase {
    options: WriterOptions,
    kind: String,
}

impl Phase {
    async fn new(stack: &Stack, number: u32) -> Result<Self> {
        let kind = format!("{}_{number}", stack.database);
        stack.kafka.create_topic(&outbox::topic(&kind), PARTITIONS, &[]).await?;
        let options = WriterOptions {
            rows_per_transaction: 5,
            rows_max: Some(4_000),
            ..WriterOptions::new(&stack.database, &kind)
        };
        Ok(Self { options, kind })
    }

    async fn write(&self, server: &MysqlServer) -> Result<Ledger> {
        let writers = Writers::start(server, &self.options, &mut Random::from_environment())?;
        writers.finish().await
    }

    async fn is_complete(&self, stack: &Stack, ledger: &Ledger) -> Result<()> {
        let topic = outbox::topic(&self.kind);
        let client = stack.kafka.client();
        let reader = Reader::new(&client, &topic, ledger.run(), Isolation::ReadCommitted)?;
        reader.complete_within(LONG, ledger).await
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn hosts_that_die_in_turn_lose_double_and_reorder_nothing() -> Result<()> {
    needs!(Tier::Mysql9, Tier::Kafka);
    let pair = Pair::start("failover_turns").await?;
    let Pair { stack, replica } = &pair;
    let leader = &stack.mysql;
    let mut config = pair.hosts_of(pair.stack.config()?)?;
    config.set("publish.batch_records_max", 10);

    let first = Phase::new(stack, 1).await?;
    let written = first.write(leader).await?;
    replica.catch_up_with(leader).await?;
    let mut relay = Relay::start(config).await?;
    published_some(&relay).await?;
    leader.kill9().await?;
    let published = records_committed(&relay).await?;
    assert!(published < written.committed(), "nothing was left to be read elsewhere");
    reads_from(&relay, replica).await?;
    first.is_complete(stack, &written).await?;

    // The other way round, with writers at work, and the relay killed as well.
    replica.promote().await?;
    leader.start_again().await?;
    leader.follow(replica).await?;
    let second = Phase::new(stack, 2).await?;
    let (written, killed) = tokio::join!(second.write(replica), async {
        published_some(&relay).await?;
        relay.kill9()?;
        relay.start_again()
    });
    killed?;
    let written = written?;
    leader.catch_up_with(replica).await?;
    replica.kill9().await?;
    reads_from(&relay, leader).await?;
    second.is_complete(stack, &written).await?;

    leader.promote().await?;
    let third = Phase::new(stack, 3).await?;
    let written = third.write(leader).await?;
    third.is_complete(stack, &written).await?;
    assert!(relay.terminate(LONG).await?.success());
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn replica_that_is_behind_is_waited_for() -> Result<()> {
    needs!(Tier::Mysql9, Tier::Kafka);
    let pair = Pair::start("failover_behind").await?;
    let Pair { stack, replica } = &pair;
    let case = Case::on(&stack.mysql, "failover_behind").await?;
    let config = pair.hosts_of(case.config()?)?;
    let relay = case.relay_with(config.clone()).await?;
    let mut session = case.session().await?;
    replica.catch_up_with(&stack.mysql).await?;

    replica.exec("stop replica sql_thread").await?;
    session.insert(3).await?;
    case.records(3).await?;
    // What the replica is to apply later has come to it.
    eventually("the replica has received it", LONG, async || {
        has_received(replica, &stack.mysql).await
    })
    .await;
    stack.mysql.kill9().await?;
    says(
        &relay,
        &["the server lacks transactions that are already published", "it is a replica at work"],
    )
    .await;
    let checked = check(&config).await?;
    let dead = format!("127.0.0.1:{} mysql.url", stack.mysql.port()?);
    checked.has("warning", &dead, &["cannot connect"]);
    let order = format!("127.0.0.1:{} replica_preserve_commit_order", replica.port()?);
    checked.has("ok", &order, &["ON"]);
    assert_eq!((checked.code, checked.names("failed")), (Some(0), vec![]));

    // Then it has everything, and is not fit to be read all the same.
    replica.exec("set global binlog_row_image = 'MINIMAL'; start replica sql_thread").await?;
    says(&relay, &["the source is not fit to be read: binlog_row_image is MINIMAL"]).await;
    replica.exec("set global binlog_row_image = 'FULL'").await?;
    reads_from(&relay, replica).await?;
    let shown = rowpost_with(&config, &["position", "show"]).await?;
    assert_eq!(shown.code, Some(0), "{shown:?}");
    let host = format!("127.0.0.1:{}", replica.port()?);
    assert_says(&shown.stdout, &[&host]);
    let planned = rowpost_with(&config, &["position", "set", "latest", "--dry-run"]).await?;
    assert_says(&planned.stdout, &[&format!("on host {host}, the first that answers:")]);
    let case = Case { mysql: replica, ..case };
    session.reconnect(&case).await?;
    case.expect(&mut session).await?;
    Ok(())
}

async fn has_received(replica: &MysqlServer, leader: &MysqlServer) -> Result<bool> {
    let wanted: String = leader.value("select @@global.gtid_executed").await?;
    let has = "received_transaction_set from performance_schema.replication_connection_status";
    let received: String = replica.value(&format!("select {has}")).await?;
    let executed: String = replica.value("select @@global.gtid_executed").await?;
    let sets = [wanted, format!("{received},{executed}")].map(|set| set.replace('\n', ""));
    let has_all: u64 =
        replica.value(&format!("select gtid_subset('{}', '{}')", sets[0], sets[1])).await?;
    Ok(has_all == 1)
}

/// The known loss: the old leader had not sent them to any replica.
#[tokio::test(flavor = "multi_thread")]
async fn new_leader_without_what_is_published_halts_the_relay_by_name() -> Result<()> {
    needs!(Tier::Mysql9, Tier::Kafka);
    let pair = Pair::start("failover_lossy").await?;
    let Pair { stack, replica } = &pair;
    let case = Case::on(&stack.mysql, "failover_lossy").await?;
    let mut relay = case.relay_with(pair.hosts_of(case.config()?)?).await?;
    let mut session = case.session().await?;
    session.insert(2).await?;
    case.records(2).await?;
    replica.catch_up_with(&stack.mysql).await?;
    replica.promote().await?;
    session.insert(1).await?;
    case.records(3).await?;

    stack.mysql.kill9().await?;
    let exit = relay.wait_exit(LONG).await?;

    let log = relay.log_text()?;
    let last = log.lines().rfind(|line| line.contains("ERROR")).context("nothing was said")?;
    assert_eq!(exit.code(), Some(69), "{last}");
    let host = format!("127.0.0.1:{}: ", replica.port()?);
    for part in [&host, "lacks transactions that are already published, and does not come closer"] {
        assert!(last.contains(part), "`{part}` is missing in: {last}");
    }
    Ok(())
}

/// The list's first host is another server that has nothing of the checkpoint and takes writes.
#[tokio::test(flavor = "multi_thread")]
async fn server_that_has_diverged_is_passed_over_by_name() -> Result<()> {
    needs!(Tier::Mysql9, Tier::Kafka);
    let mysql = MysqlServer::start(Setup::Current).await?;
    let other = MysqlServer::shared(Setup::Current).await?;
    let case = Case::on(&mysql, "failover_diverged").await?;
    let mut session = case.session().await?;
    let mut relay = case.relay().await?;
    session.insert(2).await?;
    case.records(2).await?;
    relay.terminate(LONG).await?;

    *relay.config_mut() = of_hosts(relay.config().clone(), &[other, &mysql])?;
    relay.start_again()?;
    reads_from(&relay, &mysql).await?;
    case.expect(&mut session).await?;

    let log = relay.log_text()?;
    let said = log.lines().find(|line| line.contains("host passed over")).context("not said")?;
    let host = format!("127.0.0.1:{}: the server lacks", other.port()?);
    assert!(said.contains(&host) && said.contains("it has diverged"), "{said}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn without_gtids_another_host_is_refused_and_the_same_one_waited_for() -> Result<()> {
    needs!(Tier::Mysql57, Tier::Kafka);
    let mysql = MysqlServer::start(Setup::Reference).await?;
    let other = MysqlServer::shared(Setup::Reference).await?;
    let case = Case::on(&mysql, "failover_reference").await?;
    let mut session = case.session().await?;
    mysql.pause().await?;
    let mut config = of_hosts(case.config()?, &[&mysql, other])?;
    config.set_text("mysql.connect_timeout", "1s");
    let mut relay = Relay::start(config).await?;
    says(&relay, &["there is no checkpoint yet", "than the first of mysql.url"]).await;
    mysql.resume().await?;
    reads_from(&relay, &mysql).await?;
    session.insert(2).await?;
    case.records(2).await?;

    mysql.kill9().await?;
    says(
        &relay,
        &["the checkpoint belongs to server", "without GTIDs a position means nothing on another"],
    )
    .await;
    mysql.start_again().await?;
    reads_from(&relay, &mysql).await?;

    session.reconnect(&case).await?;
    case.expect(&mut session).await?;

    // Nobody has the position any more: what follows is made of it on its own server.
    relay.terminate(LONG).await?;
    session.insert_in_vain(2).await?;
    session.run("flush binary logs").await?;
    let (end, _) = end_of_binlog(&mysql).await?;
    let (file, _) = end.split_once(':').context("coordinates")?;
    session.run(format!("purge binary logs to '{file}'")).await?;
    let mut config = of_hosts(relay.config().clone(), &[other, &mysql])?;
    config.set_text("mysql.on_position_lost", "earliest");
    *relay.config_mut() = config;
    relay.start_again()?;
    reads_from(&relay, &mysql).await?;
    case.expect(&mut session).await?;
    Ok(())
}

/// Its range is named by coordinates, which mean something on that server only, whichever host it is.
#[tokio::test(flavor = "multi_thread")]
async fn replay_goes_on_with_the_server_that_it_was_begun_on() -> Result<()> {
    const ROWS: usize = 40;
    needs!(Tier::Mysql9, Tier::Mysql80, Tier::Kafka);
    let other = MysqlServer::shared(Setup::Mysql80).await?;
    let case = Case::shared(Setup::Current, "failover_replay").await?;
    let mut session = case.session().await?;
    let begin = moment(&case, &session).await?;
    for _ in 0..ROWS {
        session.insert(1).await?;
    }
    let end = moment(&case, &session).await?;
    let topic = format!("again.{}", case.topic());
    case.create_topic(&topic, 1).await?;

    let config = of_hosts(case.config()?, &[case.mysql, other])?;
    let range = ["--from", &begin.coordinates, "--until", &end.coordinates];
    let slowly = ["--name", "again", "--to-topic-prefix", "again.", "--rate", "10"];
    let mut command =
        command_line::command(&config, &[&["replay"][..], &range, &slowly].concat()).await?;
    let mut child = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn()?;
    consumer::read(case.kafka, &topic, 1).await?;
    child.kill()?;
    child.wait()?;

    let config = of_hosts(case.config()?, &[other, case.mysql])?;
    let said = replay(&config, &["--resume", "--name", "again"]).await?;
    assert_eq!(said.code, Some(0), "{}", said.stderr);
    let records = consumer::read(case.kafka, &topic, ROWS).await?;
    let ids: Vec<&str> = records.iter().map(consumer::Record::event_id).collect();
    assert_eq!(ids, session.ids);
    Ok(())
}
