//! A row is there if and only if its transaction commits.

use anyhow::Result;
use rowpost_outbox::{AppendError, Headers, Outbox, Rows, TraceContext, testing};
use rowpost_tests::{
    MysqlServer, Setup,
    notebook::{self, Noted},
};

const SETUPS: [Setup; 2] = [Setup::Current, Setup::Reference];

fn noted(text: &str) -> Noted {
    Noted { text: text.to_owned() }
}

#[tokio::test]
async fn events_of_a_committed_transaction_are_written_in_their_order() -> Result<()> {
    for setup in SETUPS {
        let (pool, _) = notebook::schema(MysqlServer::shared(setup).await?, "committed").await?;
        let headers = Headers::of_process("saga-1").with_trace(TraceContext::root(true));

        let mut transaction = pool.begin().await?;
        for text in ["주문 1", "b", "a"] {
            Outbox::default().append(&mut transaction, &noted(text), &headers).await?;
        }
        transaction.commit().await?;

        let expected = ["주문 1", "b", "a"].map(|text| ("note", text, "Noted"));
        testing::assert_written(&pool, &expected).await;
        let written = testing::written(&pool).await?;
        assert!(written.iter().all(|row| row.headers == headers), "{written:?}");
        assert_eq!(written[0].payload, serde_json::json!({ "text": "주문 1" }));
    }
    Ok(())
}

#[tokio::test]
async fn nothing_is_written_when_the_transaction_is_rolled_back_or_dropped() -> Result<()> {
    for setup in SETUPS {
        let (pool, _) = notebook::schema(MysqlServer::shared(setup).await?, "undone").await?;

        let mut transaction = pool.begin().await?;
        Outbox::default().append(&mut transaction, &noted("a"), &Headers::default()).await?;
        transaction.rollback().await?;
        let mut transaction = pool.begin().await?;
        Outbox::default().append(&mut transaction, &noted("b"), &Headers::default()).await?;
        drop(transaction);

        testing::assert_written(&pool, &[]).await;
    }
    Ok(())
}

#[tokio::test]
async fn refused_event_leaves_the_transaction_usable() -> Result<()> {
    let (pool, _) = notebook::schema(MysqlServer::shared(Setup::Current).await?, "refused").await?;
    let outbox = Outbox { payload_bytes_max: 100, ..Outbox::default() };

    let mut transaction = pool.begin().await?;
    let large =
        outbox.append(&mut transaction, &noted(&"x".repeat(200)), &Headers::default()).await;
    let keyless = outbox.append(&mut transaction, &noted(""), &Headers::default()).await;
    outbox.append(&mut transaction, &noted("fits"), &Headers::default()).await?;
    transaction.commit().await?;

    assert!(matches!(large, Err(AppendError::PayloadTooLarge { .. })), "{large:?}");
    assert!(matches!(keyless, Err(AppendError::Invalid(_))), "{keyless:?}");
    testing::assert_written(&pool, &[("note", "fits", "Noted")]).await;
    Ok(())
}

#[tokio::test]
async fn largest_values_that_pass_the_checks_fit_their_columns() -> Result<()> {
    for setup in SETUPS {
        let (pool, _) = notebook::schema(MysqlServer::shared(setup).await?, "largest").await?;
        let headers = Headers {
            traceparent: Some("t".repeat(255)),
            correlation_id: Some("한".repeat(290)),
            causation_id: Some("c".repeat(290)),
        };

        let mut transaction = pool.begin().await?;
        let text = "글".repeat(255);
        Outbox::default().append(&mut transaction, &noted(&text), &headers).await?;
        transaction.commit().await?;

        assert_eq!(testing::written(&pool).await?[0].headers, headers);
    }
    Ok(())
}

#[tokio::test]
async fn table_stays_empty_when_rows_are_deleted_at_once() -> Result<()> {
    let (pool, _) = notebook::schema(MysqlServer::shared(Setup::Current).await?, "at_once").await?;
    let outbox = Outbox { rows: Rows::DeleteAtOnce, ..Outbox::default() };

    let mut transaction = pool.begin().await?;
    outbox.append(&mut transaction, &noted("a"), &Headers::default()).await?;
    transaction.commit().await?;

    testing::assert_written(&pool, &[]).await;
    Ok(())
}
