//! Who may publish.

use std::time::Duration;

use anyhow::Result;
use rowpost::{
    error::Disposition,
    publish::{BrokerError, PublishError},
};
use rowpost_servers::kafka::security;
use rowpost_tests::{needs, numbers::Isolation, tier::Tier};
use tokio::time::Instant;

use crate::{stage::Stage, strict};

/// On the listener that asks for a login; a topic is there.
async fn stage() -> Result<Stage> {
    let broker = strict::broker().await?;
    let stage = Stage::on(broker).await?;
    Ok(Stage { bootstrap: broker.listener(security::SASL)?, ..stage })
}

#[tokio::test]
async fn publisher_logs_in_with_the_users_properties() -> Result<()> {
    needs!(Tier::Kafka);
    let mut stage = stage().await?;
    stage.properties = strict::login(strict::TRUSTED);

    let mut running = stage.start().await?;
    running.send(stage.chunk(0, 100)).await;
    running.committed(100).await;
    running.close().await?;

    stage.bootstrap = strict::broker().await?.bootstrap().to_owned();
    stage.seen(Isolation::ReadCommitted).await?.assert_once(100);
    Ok(())
}

#[tokio::test]
async fn wrong_password_halts_soon_and_is_named() -> Result<()> {
    needs!(Tier::Kafka);
    let mut stage = stage().await?;
    stage.properties = strict::login_with(strict::TRUSTED, "s3cr3t");
    let started = Instant::now();

    let error = stage.start().await.err().expect("the password is wrong");

    assert_eq!(error.disposition(), Disposition::Halt, "{error}");
    let text = error.to_string();
    assert!(text.contains("refuses the login") && text.contains("sasl."), "{text}");
    assert!(!text.contains("s3cr3t"), "{text}");
    assert!(started.elapsed() < Duration::from_secs(20), "{:?}", started.elapsed());
    Ok(())
}

#[tokio::test]
async fn principal_without_rights_halts_and_the_right_is_named() -> Result<()> {
    needs!(Tier::Kafka);
    let mut stage = stage().await?;
    stage.properties = strict::login(strict::STRANGER);

    let error = stage.start().await.err().expect("it may do nothing");

    assert_eq!(error.disposition(), Disposition::Halt, "{error}");
    let text = error.to_string();
    assert!(text.contains("READ and DESCRIBE") && text.contains(&stage.source), "{text}");
    assert!(!matches!(error, PublishError::Broker(BrokerError::Unlisted { .. })));
    Ok(())
}
