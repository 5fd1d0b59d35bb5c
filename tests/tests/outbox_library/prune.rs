//! Old rows go, a few at a time; unpublished ones and young ones stay.

use std::{convert::Infallible, num::NonZeroUsize, time::Duration};

use anyhow::Result;
use rdkafka::producer::{FutureProducer, FutureRecord};
use rowpost_outbox::{
    CancellationToken, Headers, MySqlPool, Outbox, PruneConfig, Pruner, RelayCheckpoint, inbox,
    prune::{PruneError, Pruned},
    testing,
};
use rowpost_tests::{
    KafkaBroker, MysqlServer, Relay, Setup,
    notebook::{self, Noted},
    relay::RelayConfig,
};

use crate::topic::LONG;

const SETUPS: [Setup; 2] = [Setup::Current, Setup::Reference];

/// Everything is old at once.
fn at_once() -> PruneConfig {
    PruneConfig {
        outbox_retention: Duration::ZERO,
        batch_rows: NonZeroUsize::new(10).expect("10 is not 0"),
        pause: Duration::from_millis(10),
        ..PruneConfig::default()
    }
}

async fn append(pool: &MySqlPool, count: usize) -> Result<()> {
    for number in 0..count {
        let mut transaction = pool.begin().await?;
        let event = Noted { text: format!("text {number}") };
        Outbox::default().append(&mut transaction, &event, &Headers::default()).await?;
        transaction.commit().await?;
    }
    Ok(())
}

/// The relay goes on with what others write: on a quiet server it may stand right before the end.
async fn write_on(pool: &MySqlPool) -> Result<Infallible> {
    loop {
        sqlx::raw_sql("insert into note (event_id, text) values ('', '')").execute(pool).await?;
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

/// A round on a server that is in use.
async fn prune(pruner: &Pruner, pool: &MySqlPool) -> Result<Pruned> {
    let never = CancellationToken::new();
    tokio::select! {
        pruned = pruner.prune(&never) => Ok(pruned?),
        written = write_on(pool) => match written? {},
    }
}

#[tokio::test]
async fn outbox_rows_go_only_once_the_relay_has_published_them() -> Result<()> {
    for setup in SETUPS {
        let (mysql, kafka) = (MysqlServer::shared(setup).await?, KafkaBroker::shared().await?);
        let (pool, url) = notebook::schema(mysql, "published").await?;
        let database = url.rsplit('/').next().expect("the URL ends with the schema");
        let mut config = RelayConfig::new(mysql, kafka, database)?;
        config.set_text("checkpoint.interval", "1s");
        let mut relay = Relay::start(config).await?;
        relay.wait_ready(LONG).await;
        let checkpoint = RelayCheckpoint::of_source(&kafka.client(), database)?;
        let pruner = Pruner::new(pool.clone(), at_once(), checkpoint);

        append(&pool, 25).await?;
        assert_eq!(prune(&pruner, &pool).await?.outbox_rows, 25, "{setup:?}");
        testing::assert_written(&pool, &[]).await;

        relay.kill9()?;
        append(&pool, 3).await?;
        let given_up = tokio::time::timeout(Duration::from_secs(4), prune(&pruner, &pool)).await;
        assert!(given_up.is_err(), "{setup:?}: {given_up:?} while no relay publishes");
        assert_eq!(testing::written(&pool).await?.len(), 3, "{setup:?}");

        relay.start_again()?;
        assert_eq!(prune(&pruner, &pool).await?.outbox_rows, 3, "{setup:?}");
        testing::assert_written(&pool, &[]).await;
    }
    Ok(())
}

#[tokio::test]
async fn young_outbox_rows_stay() -> Result<()> {
    let (mysql, kafka) = (MysqlServer::shared(Setup::Current).await?, KafkaBroker::shared().await?);
    let (pool, url) = notebook::schema(mysql, "young").await?;
    let database = url.rsplit('/').next().expect("the URL ends with the schema");
    let relay = Relay::start(RelayConfig::new(mysql, kafka, database)?).await?;
    relay.wait_ready(LONG).await;
    let config = PruneConfig { outbox_retention: Duration::from_secs(600), ..at_once() };
    let checkpoint = RelayCheckpoint::of_source(&kafka.client(), database)?;

    append(&pool, 3).await?;
    let pruned = prune(&Pruner::new(pool.clone(), config, checkpoint), &pool).await?;

    assert_eq!(pruned, Pruned::default());
    assert_eq!(testing::written(&pool).await?.len(), 3);
    Ok(())
}

/// A checkpoint of somebody's, written by hand.
async fn foreign_checkpoint(kafka: &KafkaBroker, source: &str) -> Result<RelayCheckpoint> {
    let topic = format!("rowpost.{source}.checkpoint");
    kafka.create_topic(&topic, 1, &[]).await?;
    let value = r#"{"version": 1, "sequence": 1, "position": {"server_uuid": "somebody-elses",
        "coordinates": {"file": "bin-log.999999", "position": 4}, "gtid_set": null}}"#;
    let producer: FutureProducer = kafka.client().create()?;
    let record = FutureRecord::to(&topic).key(source).payload(value);
    producer.send(record, LONG).await.map_err(|(error, _)| error)?;
    Ok(RelayCheckpoint::of_source(&kafka.client(), source)?)
}

#[tokio::test]
async fn nothing_goes_by_a_checkpoint_of_another_server_or_without_the_privilege() -> Result<()> {
    let (mysql, kafka) =
        (MysqlServer::shared(Setup::Reference).await?, KafkaBroker::shared().await?);
    let (pool, url) = notebook::schema(mysql, "elsewhere").await?;
    let database = url.rsplit('/').next().expect("the URL ends with the schema");
    let checkpoint = foreign_checkpoint(kafka, database).await?;
    let account = "outbox_pruner";
    mysql.create_account(account, "secret", "").await?;
    mysql.exec(format!("grant select, delete on `{database}`.* to {account}")).await?;
    let humble = format!("{}/{database}", mysql.url_as(account, "secret")?.trim_end_matches('/'));
    let humble = MySqlPool::connect(&humble).await?;
    append(&pool, 3).await?;

    let stop = CancellationToken::new();
    let foreign =
        Pruner::new(pool.clone(), at_once(), checkpoint.clone()).prune(&stop).await.unwrap_err();
    let denied = Pruner::new(humble, at_once(), checkpoint).prune(&stop).await.unwrap_err();

    assert!(matches!(foreign, PruneError::OtherServer { .. }), "{foreign}");
    assert!(matches!(denied, PruneError::NoPrivilege), "{denied}");
    assert_eq!(testing::written(&pool).await?.len(), 3);
    Ok(())
}

#[tokio::test]
async fn old_inbox_rows_go_and_open_transactions_are_neither_waited_for_nor_held_up() -> Result<()>
{
    for setup in SETUPS {
        let (pool, _) = notebook::schema(MysqlServer::shared(setup).await?, "old_inbox").await?;
        for number in 0..35 {
            sqlx::query("insert into inbox values ('stock', ?, now(6) - interval 40 day)")
                .bind(format!("old {number}"))
                .execute(&pool)
                .await?;
        }
        sqlx::raw_sql("insert into inbox (consumer, event_id) values ('stock', 'young')")
            .execute(&pool)
            .await?;
        let mut open = pool.begin().await?;
        inbox::admit(&mut open, "stock", "in hand").await?;

        let pruning = Pruner::of_inbox(pool.clone(), at_once());
        let pruned =
            tokio::time::timeout(LONG / 10, pruning.prune(&CancellationToken::new())).await??;

        assert_eq!(pruned, Pruned { inbox_rows: 35, outbox_rows: 0 }, "{setup:?}");
        inbox::admit(&mut open, "stock", "in hand too").await?;
        open.commit().await?;
        let left: Vec<String> = sqlx::query_scalar("select event_id from inbox order by event_id")
            .fetch_all(&pool)
            .await?;
        assert_eq!(left, ["in hand", "in hand too", "young"], "{setup:?}");
    }
    Ok(())
}

#[tokio::test]
async fn stop_ends_a_round_behind_a_batch() -> Result<()> {
    let (pool, _) = notebook::schema(MysqlServer::shared(Setup::Current).await?, "paced").await?;
    for number in 0..40 {
        sqlx::query("insert into inbox values ('stock', ?, now(6) - interval 40 day)")
            .bind(format!("{number}"))
            .execute(&pool)
            .await?;
    }
    let config = PruneConfig { pause: LONG, ..at_once() };
    let stop = CancellationToken::new();

    let pruner = Pruner::of_inbox(pool.clone(), config);
    let pruned = tokio::join!(pruner.prune(&stop), async {
        let one_batch_is_gone = async || {
            let left: i64 =
                sqlx::query_scalar("select count(*) from inbox").fetch_one(&pool).await?;
            Ok::<_, anyhow::Error>(left == 30)
        };
        rowpost_tests::eventually("one batch is gone", LONG, one_batch_is_gone).await;
        stop.cancel();
    });

    assert_eq!(pruned.0?.inbox_rows, 10);
    Ok(())
}
