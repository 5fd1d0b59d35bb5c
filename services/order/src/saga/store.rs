//! The table `saga`.
//!
//! Promises: a saga moves in one transaction with what follows from it; whoever moves it holds its row
//! from the look to the write, so that a reply, the watchdog and a person never act on the same state.

use std::time::Duration;

use rowpost_outbox::{MySql, MySqlPool, Transaction};
use serde::Serialize;
use shop::{Message, Style, message::is_transaction_id};

use super::{Deadlines, Progress, STEPS};

/// A row.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Saga {
    pub(crate) style: Style,
    pub(crate) progress: Progress,
    pub(crate) message: Message,
    pub(crate) late: u32,
    pub(crate) is_past_deadline: bool,
}

/// As the desk shows it.
#[derive(Debug, Serialize, sqlx::FromRow)]
pub(crate) struct Shown {
    pub(crate) transaction_id: String,
    pub(crate) style: String,
    pub(crate) phase: String,
    #[sqlx(rename = "step")]
    #[serde(rename = "step", serialize_with = "step_name")]
    pub(crate) step: u8,
    pub(crate) reason: Option<String>,
    /// Deadlines of the step that have passed.
    pub(crate) late: u32,
    pub(crate) due_at: Option<String>,
    pub(crate) deadline_at: String,
    pub(crate) updated_at: String,
}

pub(crate) fn step_name<S: serde::Serializer>(step: &u8, serializer: S) -> Result<S::Ok, S::Error> {
    let name = STEPS.get(usize::from(*step)).map_or("?", |step| step.name);
    serializer.serialize_str(name)
}

#[derive(Debug, sqlx::FromRow)]
struct Row {
    style: String,
    phase: String,
    step: u8,
    message: String,
    late: u32,
    is_past_deadline: bool,
}

const COLUMNS: &str = "style, phase, step, cast(message as char) as message, late, \
                       deadline_at <= current_timestamp(6) as is_past_deadline";

const SHOWN: &str = "transaction_id, style, phase, step, reason, late, \
                     date_format(due_at, '%Y-%m-%dT%H:%i:%s.%fZ') as due_at, \
                     date_format(deadline_at, '%Y-%m-%dT%H:%i:%s.%fZ') as deadline_at, \
                     date_format(updated_at, '%Y-%m-%dT%H:%i:%s.%fZ') as updated_at";

impl TryFrom<Row> for Saga {
    type Error = sqlx::Error;

    fn try_from(row: Row) -> Result<Self, sqlx::Error> {
        let step = usize::from(row.step);
        let progress = match &*row.phase {
            "forward" => Progress::Forward(step),
            "backward" => Progress::Backward(step),
            "complete" => Progress::Complete,
            "cancelled" => Progress::Cancelled,
            other => {
                return Err(sqlx::Error::Decode(format!("saga.phase is `{other}`").into()));
            }
        };
        let style = Style::of_column(&row.style)?;
        let message = serde_json::from_str(&row.message)
            .map_err(|error| sqlx::Error::Decode(error.into()))?;
        let Row { late, is_past_deadline, .. } = row;
        Ok(Self { style, progress, message, late, is_past_deadline })
    }
}

/// At its start.
pub(crate) async fn insert(
    transaction: &mut Transaction<'_, MySql>,
    style: Style,
    message: &Message,
    deadlines: Deadlines,
) -> Result<(), sqlx::Error> {
    let (phase, step) = columns(Progress::START);
    sqlx::query(
        "insert into saga (transaction_id, style, phase, step, message, due_at, deadline_at) \
         values (?, ?, ?, ?, ?, timestampadd(microsecond, ?, current_timestamp(6)), \
                 timestampadd(microsecond, ?, current_timestamp(6)))",
    )
    .bind(&message.transaction_id)
    .bind(style.as_str())
    .bind(phase)
    .bind(step)
    .bind(json(message)?)
    .bind(microseconds(deadlines.step))
    .bind(microseconds(deadlines.saga))
    .execute(&mut **transaction)
    .await?;
    Ok(())
}

/// `None`: not an order of this service.
pub(crate) async fn locked(
    transaction: &mut Transaction<'_, MySql>,
    transaction_id: &str,
) -> Result<Option<Saga>, sqlx::Error> {
    if !is_transaction_id(transaction_id) {
        return Ok(None);
    }
    let sql = format!("select {COLUMNS} from saga where transaction_id = ? for update");
    let row: Option<Row> = sqlx::query_as(sqlx::AssertSqlSafe(sql))
        .bind(transaction_id)
        .fetch_optional(&mut **transaction)
        .await?;
    row.map(Saga::try_from).transpose()
}

/// One whose deadline has passed and that nobody else has in hand.
pub(crate) async fn locked_late(
    transaction: &mut Transaction<'_, MySql>,
) -> Result<Option<Saga>, sqlx::Error> {
    let sql = format!(
        "select {COLUMNS} from saga where due_at <= current_timestamp(6) \
         order by due_at limit 1 for update skip locked"
    );
    let row: Option<Row> =
        sqlx::query_as(sqlx::AssertSqlSafe(sql)).fetch_optional(&mut **transaction).await?;
    row.map(Saga::try_from).transpose()
}

/// Writes where a locked saga stands now; `due_in` for its step, unless it has ended.
pub(crate) async fn update(
    transaction: &mut Transaction<'_, MySql>,
    saga: &Saga,
    due_in: Duration,
) -> Result<(), sqlx::Error> {
    let (phase, step) = columns(saga.progress);
    let due_in = (!saga.progress.has_ended()).then(|| microseconds(due_in));
    sqlx::query(
        "update saga set phase = ?, step = ?, message = ?, reason = ?, late = ?, \
                         due_at = timestampadd(microsecond, ?, current_timestamp(6)) \
         where transaction_id = ?",
    )
    .bind(phase)
    .bind(step)
    .bind(json(&saga.message)?)
    .bind(saga.message.reason())
    .bind(saga.late)
    .bind(due_in)
    .bind(&saga.message.transaction_id)
    .execute(&mut **transaction)
    .await?;
    Ok(())
}

pub(crate) async fn show(
    pool: &MySqlPool,
    transaction_id: &str,
) -> Result<Option<Shown>, sqlx::Error> {
    if !is_transaction_id(transaction_id) {
        return Ok(None);
    }
    let sql = format!("select {SHOWN} from saga where transaction_id = ?");
    sqlx::query_as(sqlx::AssertSqlSafe(sql)).bind(transaction_id).fetch_optional(pool).await
}

/// Those that have missed a deadline and not moved since, the longest due first.
pub(crate) async fn stuck(pool: &MySqlPool, limit: u32) -> Result<Vec<Shown>, sqlx::Error> {
    let sql = format!(
        "select {SHOWN} from saga where due_at is not null and late > 0 \
         order by deadline_at limit ?"
    );
    sqlx::query_as(sqlx::AssertSqlSafe(sql)).bind(limit).fetch_all(pool).await
}

fn columns(progress: Progress) -> (&'static str, u8) {
    let (phase, step) = match progress {
        Progress::Forward(step) => ("forward", step),
        Progress::Backward(step) => ("backward", step),
        Progress::Complete => ("complete", STEPS.len() - 1),
        Progress::Cancelled => ("cancelled", 0),
    };
    (phase, u8::try_from(step).unwrap_or(u8::MAX))
}

fn json(message: &Message) -> Result<String, sqlx::Error> {
    serde_json::to_string(message).map_err(|error| sqlx::Error::Encode(error.into()))
}

fn microseconds(time: Duration) -> i64 {
    i64::try_from(time.as_micros()).unwrap_or(i64::MAX)
}
