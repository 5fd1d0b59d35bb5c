//! The consumer loop: back-off, dead letters, and what a stop leaves.

use std::{sync::atomic::Ordering, time::Duration};

use anyhow::Result;
use rowpost_outbox::testing;
use rowpost_tests::{
    MysqlServer, Setup, eventually,
    notebook::{self, Notebook},
};

use crate::topic::{LONG, Topic};

#[tokio::test]
async fn records_are_processed_in_order_and_a_stop_commits_their_offsets() -> Result<()> {
    for setup in [Setup::Current, Setup::Reference] {
        let (pool, _) = notebook::schema(MysqlServer::shared(setup).await?, "in_order").await?;
        let topic = Topic::create(&format!("in_order_{setup:?}"), 1).await?;
        let texts: Vec<String> = (0..50).map(|number| format!("text {number}")).collect();
        let texts: Vec<&str> = texts.iter().map(String::as_str).collect();
        topic.produce(0, &texts).await?;

        let running = topic.run(&pool, &Notebook::default())?;
        eventually("all are noted", LONG, async || {
            Ok::<_, anyhow::Error>(notebook::notes(&pool).await?.len() >= texts.len())
        })
        .await;
        running.stop().await?;

        assert_eq!(notebook::notes(&pool).await?, texts);
        assert_eq!(topic.committed().await?, 50);
        assert_eq!(topic.dead_letter_partitions().await?, 1, "it is there before it is needed");
    }
    Ok(())
}

#[tokio::test]
async fn record_that_always_fails_becomes_a_dead_letter_and_its_partition_goes_on() -> Result<()> {
    let (pool, _) = notebook::schema(MysqlServer::shared(Setup::Current).await?, "poison").await?;
    let topic = Topic::create("poison", 1).await?;
    topic.produce(0, &["a", "poison", "b"]).await?;
    let notebook = Notebook::default();

    let running = topic.run(&pool, &notebook)?;
    eventually("the record behind it is noted", LONG, async || {
        Ok::<_, anyhow::Error>(notebook::notes(&pool).await? == ["a", "b"])
    })
    .await;
    running.stop().await?;
    let letters = topic.dead_letters(1).await?;

    let letter = &letters[0];
    assert_eq!(letter.event_id, "0-1");
    assert_eq!(letter.key.as_deref(), Some(&b"poison"[..]));
    assert_eq!(letter.payload.as_deref(), Some(&b"{\"text\": \"poison\"}"[..]));
    assert_eq!(letter.header("correlation-id"), Some("saga-1"));
    assert_eq!(letter.header("dead-letter-reason"), Some("it is poison"));
    assert_eq!(letter.header("dead-letter-attempts"), Some("3"));
    assert_eq!(letter.header("dead-letter-origin"), Some(&*format!("{}/0/1", topic.name)));
    assert_eq!(notebook.deliveries.load(Ordering::Relaxed), 5, "a, three of poison, b");
    testing::assert_written(&pool, &[("note", "a", "Noted"), ("note", "b", "Noted")]).await;
    assert_eq!(topic.committed().await?, 3);
    Ok(())
}

#[tokio::test]
async fn record_at_which_the_handler_panics_becomes_a_dead_letter_too() -> Result<()> {
    let (pool, _) = notebook::schema(MysqlServer::shared(Setup::Current).await?, "panic").await?;
    let topic = Topic::create("panic", 1).await?;
    topic.produce(0, &["a", "panic", "b"]).await?;

    let running = topic.run(&pool, &Notebook::default())?;
    eventually("the record behind it is noted", LONG, async || {
        Ok::<_, anyhow::Error>(notebook::notes(&pool).await? == ["a", "b"])
    })
    .await;
    running.stop().await?;

    let letters = topic.dead_letters(1).await?;
    let reason = letters[0].header("dead-letter-reason");
    assert_eq!(reason, Some("the handler panicked: an invariant is broken"));
    assert_eq!(letters[0].header("dead-letter-attempts"), Some("3"), "it may be a passing one");
    testing::assert_written(&pool, &[("note", "a", "Noted"), ("note", "b", "Noted")]).await;
    Ok(())
}

#[tokio::test]
async fn record_that_cannot_be_read_is_a_dead_letter_at_once() -> Result<()> {
    let (pool, _) = notebook::schema(MysqlServer::shared(Setup::Current).await?, "broken").await?;
    let topic = Topic::create("broken", 1).await?;
    topic.produce(0, &["\"", "b"]).await?;

    let running = topic.run(&pool, &Notebook::default())?;
    eventually("the record behind it is noted", LONG, async || {
        Ok::<_, anyhow::Error>(notebook::notes(&pool).await? == ["b"])
    })
    .await;
    running.stop().await?;
    let letters = topic.dead_letters(1).await?;

    assert_eq!(letters[0].event_id, "0-0");
    assert_eq!(letters[0].header("dead-letter-attempts"), Some("1"));
    Ok(())
}

#[tokio::test]
async fn failing_record_holds_up_its_own_partition_only_and_keeps_its_order() -> Result<()> {
    let (pool, _) = notebook::schema(MysqlServer::shared(Setup::Current).await?, "held").await?;
    let topic = Topic::create("held", 2).await?;
    topic.produce(0, &["transient", "after"]).await?;
    let notebook = Notebook::default();
    notebook.transient_failures.store(2, Ordering::Relaxed);
    let mut config = topic.config();
    config.backoff_first = Duration::from_secs(3);

    let running = topic.run_with(&topic.kafka.client(), config, &pool, &notebook)?;
    eventually("it has failed", LONG, async || notebook.deliveries.load(Ordering::Relaxed) > 0)
        .await;
    topic.produce(1, &["other"]).await?;
    eventually("all are noted", LONG, async || {
        Ok::<_, anyhow::Error>(notebook::notes(&pool).await?.len() == 3)
    })
    .await;
    running.stop().await?;

    assert_eq!(notebook::notes(&pool).await?, ["other", "transient", "after"]);
    assert_eq!(notebook.deliveries.load(Ordering::Relaxed), 5);
    Ok(())
}

#[tokio::test]
async fn database_that_is_away_makes_no_dead_letters() -> Result<()> {
    let mysql = MysqlServer::start(Setup::Current).await?;
    let (pool, url) = notebook::schema(&mysql, "away").await?;
    pool.close().await;
    let pool = sqlx::mysql::MySqlPoolOptions::new()
        .acquire_timeout(Duration::from_millis(300))
        .connect(&url)
        .await?;
    let topic = Topic::create("away", 1).await?;
    let notebook = Notebook::default();
    let running = topic.run(&pool, &notebook)?;
    topic.produce(0, &["before"]).await?;
    eventually("the first is noted", LONG, async || {
        Ok::<_, anyhow::Error>(notebook::notes(&pool).await? == ["before"])
    })
    .await;

    mysql.kill9().await?;
    topic.produce(0, &["during"]).await?;
    // Many times what the attempts and their pauses take: 50 ms and 100 ms.
    tokio::time::sleep(Duration::from_secs(6)).await;
    mysql.start_again().await?;

    eventually("the second is noted", LONG, async || {
        Ok::<_, anyhow::Error>(notebook::notes(&pool).await?.last().is_some_and(|t| t == "during"))
    })
    .await;
    running.stop().await?;
    assert_eq!(topic.committed().await?, 2);
    Ok(())
}
