//! `rowpost position set`: what it says will happen happens, and nothing else.

use anyhow::{Context, Result};
use rowpost_tests::{
    Relay, Setup,
    command_line::{Said, rowpost_with},
    needs,
    relay::RelayConfig,
};

use crate::{
    case::{Case, Session},
    consumer::Record,
    position_show::{coordinates, show},
    stack::LONG,
    starting::end_of_binlog,
};

pub(crate) async fn set(config: &RelayConfig, arguments: &[&str]) -> Result<Said> {
    rowpost_with(config, &[&["position", "set"], arguments].concat()).await
}

/// What ended otherwise than with this code is shown whole.
pub(crate) fn assert_ended(said: &Said, code: i32, parts: &[&str]) {
    assert_eq!(said.code, Some(code), "{said:?}");
    let text = format!("{}{}", said.stdout, said.stderr);
    for part in parts {
        assert!(text.contains(part), "`{part}` is missing in: {text}");
    }
}

/// The wait for a running relay follows the interval.
pub(crate) fn config(case: &Case<'_>) -> Result<RelayConfig> {
    let mut config = case.config()?;
    config.set_text("checkpoint.interval", "200ms");
    Ok(config)
}

fn ids(records: &[Record]) -> Vec<&str> {
    records.iter().map(Record::event_id).collect()
}

async fn published(case: &Case<'_>, session: &mut Session, rows: usize) -> Result<()> {
    for _ in 0..rows {
        session.insert(1).await?;
    }
    case.records(session.ids.len()).await?;
    Ok(())
}

async fn way_back_repeats_and_way_forward_leaves_out(setup: Setup) -> Result<()> {
    let case = Case::shared(setup, "moved").await?;
    let config = config(&case)?;
    let mut session = case.session().await?;
    let mut relay = case.relay_with(config.clone()).await?;
    published(&case, &mut session, 2).await?;
    let (middle, _) = end_of_binlog(case.mysql).await?;
    published(&case, &mut session, 3).await?;
    relay.terminate(LONG).await?;
    let stored = coordinates(&show(&config).await?);

    let refused = set(&config, &[&middle]).await?;
    assert_ended(&refused, 64, &["REPEATED", "published once more", "--yes"]);
    let tried = set(&config, &[&middle, "--dry-run"]).await?;
    assert_ended(&tried, 0, &["REPEATED", "nothing was written"]);
    assert_eq!(coordinates(&show(&config).await?), stored);

    assert_ended(&set(&config, &[&middle, "--yes"]).await?, 0, &["the position is set"]);
    let report = show(&config).await?;
    assert_eq!(coordinates(&report), middle);
    assert_eq!(report["checkpoint"]["writer"]["role"], "position-set");
    relay.start_again()?;
    let repeated = case.records(8).await?;
    let expected = [&session.ids[..], &session.ids[2..]].concat();
    assert_eq!(ids(&repeated), expected);
    relay.terminate(LONG).await?;

    session.insert_in_vain(2).await?;
    assert_ended(&set(&config, &["latest"]).await?, 64, &["LEFT OUT", "never published"]);
    assert_ended(&set(&config, &["latest", "--yes"]).await?, 0, &["LEFT OUT"]);
    relay.start_again()?;
    relay.wait_ready(LONG).await;
    session.insert(1).await?;
    let records = case.records(9).await?;
    assert_eq!(ids(&records)[8..], session.ids[5..], "what was left out stays out");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn way_back_repeats_and_way_forward_leaves_out_on_the_current_server() -> Result<()> {
    needs!(Setup::Current.tier());
    way_back_repeats_and_way_forward_leaves_out(Setup::Current).await
}

#[tokio::test(flavor = "multi_thread")]
async fn way_back_repeats_and_way_forward_leaves_out_on_the_reference_server() -> Result<()> {
    needs!(Setup::Reference.tier());
    way_back_repeats_and_way_forward_leaves_out(Setup::Reference).await
}

#[tokio::test(flavor = "multi_thread")]
async fn running_relay_is_not_moved_unless_it_is_shut_out() -> Result<()> {
    needs!(Setup::Current.tier());
    let case = Case::shared(Setup::Current, "running").await?;
    let config = config(&case)?;
    let mut session = case.session().await?;
    let (start, gtids) = end_of_binlog(case.mysql).await?;
    let mut relay = case.relay_with(config.clone()).await?;
    let pid = relay.id().context("it runs")?.pid;
    published(&case, &mut session, 2).await?;

    let runs = format!("a relay of this source runs: process {pid}");
    assert_ended(&set(&config, &[&start, "--yes"]).await?, 69, &[&runs, "--force"]);
    assert!(relay.id().is_some(), "it was not disturbed");

    let forced = set(&config, &[&gtids, "--yes", "--force"]).await?;
    assert_ended(&forced, 0, &["REPEATED", "the position is set"]);
    let exit = relay.wait_exit(LONG).await?;
    assert_eq!(exit.code(), Some(69));
    let log = relay.log_text()?;
    assert!(log.contains("was set by `rowpost position set`, process"), "{log}");
    assert!(log.contains("start it again to go on from there"), "{log}");

    relay.start_again()?;
    let records = case.records(4).await?;
    assert_eq!(ids(&records), [&session.ids[..], &session.ids[..]].concat());
    Ok(())
}

async fn only_places_between_two_transactions_are_taken(setup: Setup) -> Result<()> {
    let case = Case::shared(setup, "between").await?;
    let config = config(&case)?;
    let mut session = case.session().await?;
    let (begin, _) = end_of_binlog(case.mysql).await?;
    session.insert(3).await?;
    let (file, position) = begin.rsplit_once(':').context("coordinates")?;
    let position: u64 = position.parse()?;

    let inside = format!("{file}:{}", position + 1);
    let said = set(&config, &[&inside]).await?;
    assert_ended(&said, 64, &["is not between two transactions", &begin, "past:"]);
    let said = set(&config, &[&format!("past:{inside}"), "--dry-run"]).await?;
    assert_ended(&said, 0, &[&format!("{file}:")]);
    assert_ended(&set(&config, &[&format!("{file}:999999999")]).await?, 69, &["binlog ends at"]);
    assert_ended(&set(&config, &["bin-log.999999:4"]).await?, 69, &["binlog ends at"]);
    assert_ended(&set(&config, &["newest"]).await?, 64, &["`earliest`, `latest`"]);
    if setup == Setup::Current {
        let unknown = "3e11fa47-71ca-11e1-9e33-c80aa9429562:1-5";
        assert_ended(&set(&config, &[unknown]).await?, 69, &["lacks transactions", unknown]);
    }

    assert_ended(&set(&config, &[&begin]).await?, 0, &["no checkpoint yet"]);
    let mut relay = case.relay_with(config).await?;
    case.expect(&mut session).await?;
    relay.terminate(LONG).await?;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn only_places_between_two_transactions_are_taken_on_the_current_server() -> Result<()> {
    needs!(Setup::Current.tier());
    only_places_between_two_transactions_are_taken(Setup::Current).await
}

#[tokio::test(flavor = "multi_thread")]
async fn only_places_between_two_transactions_are_taken_on_the_reference_server() -> Result<()> {
    needs!(Setup::Reference.tier());
    only_places_between_two_transactions_are_taken(Setup::Reference).await
}

/// The command that the relay's last line names.
pub(crate) fn named_position(relay: &Relay) -> Result<String> {
    let log = relay.log_text()?;
    let last = log.lines().rfind(|line| line.contains("ERROR")).context("nothing was said")?;
    let (_, command) =
        last.split_once("`rowpost position set ").with_context(|| format!("not named: {last}"))?;
    let (position, _) = command.split_once('`').context("the command ends")?;
    Ok(position.to_owned())
}

/// The halt names the command that leaves out exactly the transaction that it is about.
async fn command_that_the_halt_names_passes(setup: Setup, poison: &str) -> Result<()> {
    let case = Case::shared(setup, "passed").await?;
    let config = config(&case)?;
    let mut session = case.session().await?;
    session.run("alter table outbox modify aggregatetype varchar(200) null").await?;
    let mut relay = case.relay_with(config.clone()).await?;
    published(&case, &mut session, 2).await?;
    for statement in poison.split(';') {
        session.run(statement).await?;
    }
    session.insert(2).await?;
    session.insert(1).await?;
    relay.wait_exit(LONG).await?;

    let position = named_position(&relay)?;
    assert!(position.starts_with("past:bin-log."), "{position}");
    assert_ended(&set(&config, &[&position, "--yes"]).await?, 0, &["LEFT OUT"]);
    let once_more = set(&config, &[&position]).await?;
    assert_ended(&once_more, 0, &["nothing is left out or repeated"]);
    relay.start_again()?;
    case.expect(&mut session).await?;
    Ok(())
}

const NO_TOPIC: &str = "insert into outbox (id, aggregatetype, aggregateid, type, payload) values \
     (uuid(), null, 'k', 't', '1')";

#[tokio::test(flavor = "multi_thread")]
async fn row_without_a_topic_is_passed_with_the_command_of_the_halt() -> Result<()> {
    needs!(Setup::Current.tier(), Setup::Reference.tier());
    command_that_the_halt_names_passes(Setup::Current, NO_TOPIC).await?;
    command_that_the_halt_names_passes(Setup::Reference, NO_TOPIC).await
}
