//! A host that dies while something is under way that has no place in a GTID set: a prepared XA branch,
//! a start from the tables.

use anyhow::Result;
use rowpost_tests::{Relay, eventually, needs, tier::Tier};

use crate::{
    case::Case,
    failover::{Pair, of_hosts, reads_from},
    stack::LONG,
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
    let mut relay = case.relay_with(of_hosts(case.config()?, &[&stack.mysql, replica])?).await?;
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
    let mut there = case.session().await?;
    there.go_on_from(&session);
    end(&case, &mut there, "commit", "small").await;
    there.ids.extend(small);
    there.insert(1).await?;
    end(&case, &mut there, "rollback", "in vain").await;
    end(&case, &mut there, "commit", "large").await;
    there.ids.extend(large);
    case.records(there.ids.len()).await?;
    relay.kill9()?;
    end(&case, &mut there, "commit", "later").await;
    there.ids.extend(later);
    relay.start_again()?;

    case.expect(&mut there).await?;
    Ok(())
}

/// The position was chosen on the leader. What its replica's tables show is newer than that.
#[tokio::test(flavor = "multi_thread")]
async fn start_from_the_tables_is_continued_on_the_replica() -> Result<()> {
    const ROWS: usize = 3_000;
    needs!(Tier::Mysql9, Tier::Kafka);
    let pair = Pair::start("failover_tables").await?;
    let Pair { stack, replica } = &pair;
    let case = Case::on(&stack.mysql, "failover_tables").await?;
    let mut session = case.session().await?;
    for _ in 0..ROWS / 100 {
        session.insert(100).await?;
    }
    replica.catch_up_with(&stack.mysql).await?;
    let config = of_hosts(slowly(from_table(case.config()?)), &[&stack.mysql, replica])?;

    let relay = Relay::start(config).await?;
    says(&relay, READING).await;
    session.insert(10).await?;
    replica.catch_up_with(&stack.mysql).await?;
    stack.mysql.kill9().await?;
    eventually("the tables are read on the replica", LONG, async || {
        Ok::<_, anyhow::Error>(relay.log_text()?.matches(READING).count() == 2)
    })
    .await;
    reads_from(&relay, replica).await?;
    replica.promote().await?;

    let case = Case { mysql: replica, ..case };
    let mut there = case.session().await?;
    there.go_on_from(&session);
    case.expect(&mut there).await?;
    Ok(())
}
