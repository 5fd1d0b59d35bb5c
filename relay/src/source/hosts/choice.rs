//! A position and the hosts → the first host that can go on from it.

use tracing::warn;
use uuid::Uuid;

use super::{Hosts, NoHost, Refusal, prospect};
use crate::{
    config::{Config, OnPositionLost, StartPolicy},
    position::Position,
    source::{
        Advice, SourceError, StartError,
        mysql::{ConnectOptions, Connection},
        preflight,
        probe::Probe,
        same_binlog::ensure_same_binlog,
        server::ServerFacts,
        session::Session,
        start,
    },
};

/// Where to read from, on the first host that is fit and has that position.
///
/// Without GTIDs a position means nothing on another server, so a first start without them is made on
/// the first host only.
pub async fn find_start(
    config: &Config,
    hosts: &Hosts,
    checkpoint: Option<Position>,
    advice: &mut Advice,
) -> Result<(Position, ServerFacts), SourceError> {
    if !hosts.are_several() {
        return start::find_start(config, checkpoint, advice).await;
    }
    // ORDER: what a lost position makes of itself is found when no host has it any more, not when the
    // first one has not.
    let mut asking = config.clone();
    asking.mysql.on_position_lost = OnPositionLost::Halt;
    let none = match first_start(&asking, hosts, &checkpoint, advice).await {
        Ok(found) => return Ok(found),
        Err(none) => none,
    };
    if none.is_for_good()
        && config.mysql.on_position_lost != OnPositionLost::Halt
        && let Ok(found) = first_start(config, hosts, &checkpoint, advice).await
    {
        return Ok(found);
    }
    Err(none.into())
}

async fn first_start(
    config: &Config,
    hosts: &Hosts,
    checkpoint: &Option<Position>,
    advice: &mut Advice,
) -> Result<(Position, ServerFacts), NoHost> {
    let mut refusals = Vec::new();
    for (index, options) in hosts.in_order() {
        let config = config.on(options.host());
        let found = Box::pin(start::find_start(&config, checkpoint.clone(), advice)).await;
        let is_elsewhere = checkpoint.is_none() && index > 0;
        match found {
            Ok((_, server)) if is_elsewhere && !is_portable(&config.mysql.start, &server) => {
                let error = StartError::NotTheFirst.into();
                refusals.push(Refusal::new(options.address(), error, None));
            }
            Ok(found) => {
                let before = hosts.current().address();
                hosts.take(index);
                announce(&before, options, found.1.server_uuid, &refusals);
                return Ok(found);
            }
            Err(error) => refusals.push(refusal(options, error).await),
        }
    }
    Err(NoHost::new(refusals))
}

/// Whether a first start means the same on every server.
fn is_portable(policy: &StartPolicy, server: &ServerFacts) -> bool {
    server.gtids.is_some() && !matches!(policy, StartPolicy::Coordinates(_))
}

/// Lets the session connect to the first host that can go on from `position`.
pub(in crate::source) async fn choose(
    session: &mut Session,
    hosts: &Hosts,
    position: &Position,
) -> Result<(), SourceError> {
    if !hosts.are_several() {
        return Ok(());
    }
    let mut refusals = Vec::new();
    for (index, options) in hosts.in_order() {
        let before = session.connect.address();
        let is_new = options.address() != before;
        match Box::pin(goes_on(session, options, is_new, position)).await {
            Ok(server_uuid) => {
                hosts.take(index);
                announce(&before, options, server_uuid, &refusals);
                session.connect = options.clone();
                return Ok(());
            }
            Err(error) => refusals.push(refusal(options, error).await),
        }
    }
    Err(NoHost::new(refusals).into())
}

/// Whether this server is fit to be read, unless it was read before, and can go on from there. The session looks once more when it
/// asks for the binlog.
async fn goes_on(
    session: &Session,
    options: &ConnectOptions,
    is_new: bool,
    position: &Position,
) -> Result<Uuid, SourceError> {
    let mut connection = Connection::open(options).await?;
    if is_new {
        preflight::ensure_fit(preflight::run(&mut connection, &session.entries).await?)?;
    }
    let server = ServerFacts::query(&mut connection).await?;
    let resumed = start::resolve(Some(position.clone()), &StartPolicy::Earliest, &server)?;
    let probe = Probe::new(options.clone(), session.replica.clone(), session.heartbeat);
    ensure_same_binlog(&mut connection, &probe, &resumed, &server).await?;
    connection.close().await;
    Ok(server.server_uuid)
}

async fn refusal(options: &ConnectOptions, error: SourceError) -> Refusal {
    let prospect = match Refusal::is_behind(&error) {
        true => prospect::ask(options).await,
        false => None,
    };
    Refusal::new(options.address(), error, prospect)
}

fn announce(before: &str, taken: &ConnectOptions, server_uuid: Uuid, refusals: &[Refusal]) {
    for refusal in refusals {
        warn!(%refusal, "host passed over");
    }
    let host = taken.address();
    if host != before {
        warn!(before, host, %server_uuid, "another host is read from here on");
    }
}
