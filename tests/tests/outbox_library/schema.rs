//! A service does not start on tables that would fail it later.

use anyhow::Result;
use rowpost_outbox::{MySqlPool, SchemaError, schema};
use rowpost_tests::{MysqlServer, Setup, notebook};

const SETUPS: [Setup; 2] = [Setup::Current, Setup::Reference];

async fn check(pool: &MySqlPool) -> Result<Result<(), SchemaError>> {
    Ok(schema::check(&mut *pool.acquire().await?).await)
}

#[tokio::test]
async fn installing_again_and_at_the_same_time_changes_nothing() -> Result<()> {
    for setup in SETUPS {
        let mysql = MysqlServer::shared(setup).await?;
        let database = format!("twice_{setup:?}_{}", std::process::id()).to_lowercase();
        mysql.exec(format!("create database {database}")).await?;
        let pool = MySqlPool::connect(&format!("{}/{database}", mysql.url())).await?;

        let (mut first, mut second) = (pool.acquire().await?, pool.acquire().await?);
        let (one, two) = tokio::join!(schema::install(&mut first), schema::install(&mut second));
        one?;
        two?;
        schema::install(&mut first).await?;

        check(&pool).await??;
    }
    Ok(())
}

#[tokio::test]
async fn what_is_missing_is_named() -> Result<()> {
    for setup in SETUPS {
        let mysql = MysqlServer::shared(setup).await?;
        let (pool, _) = notebook::schema(mysql, "missing").await?;
        let refusals = [
            ("alter table outbox drop column causation_id", "lacks causation_id"),
            ("alter table inbox engine = MyISAM", "inbox` has the engine MyISAM"),
            (
                "alter table inbox engine = InnoDB, drop primary key, \
                 add primary key (event_id, consumer, processed_at)",
                "no unique key of exactly",
            ),
            ("drop table inbox", "inbox` is missing"),
        ];

        for (change, message) in refusals {
            sqlx::raw_sql(change).execute(&pool).await?;

            let refused = check(&pool).await?.unwrap_err().to_string();

            assert!(refused.contains(message), "{refused}");
            if change.contains("causation_id") {
                let repair = "alter table outbox add column causation_id varchar(290)";
                sqlx::raw_sql(repair).execute(&pool).await?;
            }
        }
    }
    Ok(())
}
