//! An event delivered twice has its effect once.

use anyhow::Result;
use std::sync::Mutex;

use rowpost_outbox::{
    Handler, HandlerError, MySql, MySqlPool, Outcome, Received, Transaction, inbox, testing,
};
use rowpost_tests::{
    MysqlServer, Setup,
    notebook::{self, Notebook},
};

const SETUPS: [Setup; 2] = [Setup::Current, Setup::Reference];

fn event(id: &str, text: &str) -> Received {
    let mut event = Received::at("note", 0, 0);
    event.payload = Some(format!("{{\"text\": \"{text}\"}}").into_bytes());
    event.headers.push(("id".to_owned(), Some(id.as_bytes().to_vec())));
    event.identify();
    event
}

#[tokio::test]
async fn event_delivered_twice_has_its_effect_once() -> Result<()> {
    for setup in SETUPS {
        let (pool, _) = notebook::schema(MysqlServer::shared(setup).await?, "twice_in").await?;

        testing::deliver_twice(&pool, "notebook", &Notebook::default(), &event("A", "a")).await?;

        assert_eq!(notebook::notes(&pool).await?, ["a"]);
        testing::assert_written(&pool, &[("note", "a", "Noted")]).await;
        let written = testing::written(&pool).await?;
        assert_eq!(written[0].headers.causation_id.as_deref(), Some("A"));
    }
    Ok(())
}

#[tokio::test]
async fn failed_event_leaves_no_inbox_row_and_no_effect() -> Result<()> {
    let (pool, _) = notebook::schema(MysqlServer::shared(Setup::Current).await?, "failed").await?;
    let poison = event("A", "poison");

    let failed = inbox::process(&pool, "notebook", &Notebook::default(), &poison).await;

    assert!(matches!(failed, Err(HandlerError::Transient(_))), "{failed:?}");
    assert!(notebook::notes(&pool).await?.is_empty());
    testing::assert_written(&pool, &[]).await;
    let repaired = event("A", "antidote");
    let outcome = inbox::process(&pool, "notebook", &Notebook::default(), &repaired).await?;
    assert_eq!(outcome, Outcome::Processed);
    Ok(())
}

/// Looks, each time it is told of a commit, at what everybody can see.
struct Watcher {
    notebook: Notebook,
    pool: MySqlPool,
    seen: Mutex<Vec<Vec<String>>>,
}

impl Handler for Watcher {
    async fn handle(
        &self,
        transaction: &mut Transaction<'_, MySql>,
        event: &Received,
    ) -> Result<(), HandlerError> {
        self.notebook.handle(transaction, event).await
    }

    fn committed(&self, _event: &Received) {
        let runtime = tokio::runtime::Handle::current();
        let notes = || runtime.block_on(notebook::notes(&self.pool)).expect("it can be read");
        self.seen.lock().expect("nobody panicked").push(tokio::task::block_in_place(notes));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn handler_is_told_of_its_commit_once_and_when_it_can_be_seen() -> Result<()> {
    let (pool, _) = notebook::schema(MysqlServer::shared(Setup::Current).await?, "told").await?;
    let watcher =
        Watcher { notebook: Notebook::default(), pool: pool.clone(), seen: Mutex::default() };

    for event in [event("A", "a"), event("A", "a"), event("B", "poison")] {
        drop(inbox::process(&pool, "notebook", &watcher, &event).await);
    }

    assert_eq!(*watcher.seen.lock().expect("nobody panicked"), [["a"]]);
    Ok(())
}

#[tokio::test]
async fn deliveries_at_the_same_moment_have_one_effect() -> Result<()> {
    for setup in SETUPS {
        let (pool, _) = notebook::schema(MysqlServer::shared(setup).await?, "moment").await?;
        let (notebook, event) = (Notebook::default(), event("A", "a"));

        for _ in 0..8 {
            let deliver = || inbox::process(&pool, "notebook", &notebook, &event);
            let (a, b, c) = tokio::join!(deliver(), deliver(), deliver());
            for outcome in [a, b, c] {
                outcome?;
            }
        }

        assert_eq!(notebook::notes(&pool).await?, ["a"]);
    }
    Ok(())
}

#[tokio::test]
async fn each_consumer_has_the_event_once() -> Result<()> {
    let (pool, _) = notebook::schema(MysqlServer::shared(Setup::Current).await?, "each").await?;
    let (notebook, events) = (Notebook::default(), [event("A", "a"), event("B", "b")]);

    for consumer in ["one", "other"] {
        let order = [1, 0, 1, 0];
        let outcomes = testing::deliver_in_order(&pool, consumer, &notebook, &events, &order).await;
        let outcomes: Vec<_> = outcomes.into_iter().collect::<Result<_, _>>()?;
        let (new, seen) = (Outcome::Processed, Outcome::Duplicate);
        assert_eq!(outcomes, [new, new, seen, seen]);
    }

    assert_eq!(notebook::notes(&pool).await?, ["b", "a", "b", "a"]);
    Ok(())
}
