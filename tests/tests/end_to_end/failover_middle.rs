//! A host that dies while something is under way that has no place in a GTID set: a prepared XA branch,
//! a start from the tables.

use anyhow::Result;
use rowpost_tests::{Relay, needs, tier::Tier};

use crate::{
    case::Case,
    pair::{Pair, reads_from},
    table_start::{READING, from_table, says, slowly},
    xa::{end, prepare},
};

/// Prepared on the leader, ended on the new one: there they lie at other coordinates, and nothing before the
/// failover was read from it.
#[tokio::test(flavor = "multi_thread")]
async fn branches_that_are_prepared_outlive_the_leader() -> Result<()> {
    needs!(Tier::Mysql9, Tier::Kafka);
    let pair = Pair::start("failover_xa").await?;
    let Pair { stack, replica } = &pair;
    let case = Case::on(&stack.mysql, "failover_xa").await?;
    let mut relay = case.relay_with(pair.hosts_of(case.config()?)?).await?;
    let mut session = case.session().await?;
    let small = prepare(&case, &mut session, "small", 2).await?;
    prepare(&case, &mut session, "in vain", 2).await?;
    let large = prepare(&case, &mut session, "large", 5_000).await?;
    let later = prepare(&case, &mut session, "later", 3).await?;
    session.insert(1).await?;
    case.records(session.ids.len()).await?;
    replica.catch_up_with(&stack.mysql).await?;

    stack.mysql.kill9().await?;
    reads_from(&relay, replica).await?;
    replica.promote().await?;
    let case = Case { mysql: replica, ..case };
    session.reconnect(&case).await?;
    end(&case, &mut session, "commit", "small").await;
    session.ids.extend(small);
    session.insert(1).await?;
    end(&case, &mut session, "rollback", "in vain").await;
    end(&case, &mut session, "commit", "large").await;
    session.ids.extend(large);
    case.records(session.ids.len()).await?;
    relay.kill9()?;
    end(&case, &mut session, "commit", "later").await;
    session.ids.extend(later);
    relay.start_again()?;

    case.expect(&mut session).await?;
    Ok(())
}

/// The position was chosen on the leader. What its replica's tables show is newer than that.
#[tokio::test(flavor = "multi_thread")]
async fn start_from_the_tables_is_continued_on_the_replica() -> Result<()> {
    const ROWS: usize = 3_000;
    const NEWER: usize = 10;
    needs!(Tier::Mysql9, Tier::Kafka);
    let pair = Pair::start("failover_tables").await?;
    let Pair { stack, replica } = &pair;
    let case = Case::on(&stack.mysql, "failover_tables").await?;
    let mut session = case.session().await?;
    for _ in 0..ROWS / 100 {
        session.insert(100).await?;
    }
    replica.catch_up_with(&stack.mysql).await?;
    let config = pair.hosts_of(slowly(from_table(case.config()?)))?;

    let relay = Relay::start(config).await?;
    says(&relay, READING).await;
    session.insert(NEWER).await?;
    replica.catch_up_with(&stack.mysql).await?;
    stack.mysql.kill9().await?;
    // Not of the first look, before which nothing was newer.
    says(&relay, &format!("rows_newer={NEWER}")).await;
    reads_from(&relay, replica).await?;
    replica.promote().await?;

    let case = Case { mysql: replica, ..case };
    session.reconnect(&case).await?;
    case.expect(&mut session).await?;
    Ok(())
}
