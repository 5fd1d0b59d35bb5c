//! The table `payment`: work that is to be done, and what it has come to.
//!
//! Promises: an order has one row; a state is left by one `update` that names it, so that of two
//! workers with the same row one writes the outcome and its event, and the other nothing.

use std::time::Duration;

use rowpost_outbox::{Headers, MySql, MySqlPool, Received, TraceContext, Transaction};
use shop::{Message, Style};

use crate::answer::Outcome;

/// Where a payment stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum State {
    /// The gateway is to be asked for the money.
    Charging,
    /// The gateway is to be asked to give it back.
    Reversing,
    /// Nothing is to be done.
    Ended(Outcome),
}

impl State {
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Charging => "CHARGING",
            Self::Reversing => "REVERSING",
            Self::Ended(Outcome::Complete) => "COMPLETE",
            Self::Ended(Outcome::Refused) => "REFUSED",
            Self::Ended(Outcome::Reversed) => "REVERSED",
        }
    }

    fn of(text: &str) -> Result<Self, sqlx::Error> {
        Ok(match text {
            "CHARGING" => Self::Charging,
            "REVERSING" => Self::Reversing,
            "COMPLETE" => Self::Ended(Outcome::Complete),
            "REFUSED" => Self::Ended(Outcome::Refused),
            "REVERSED" => Self::Ended(Outcome::Reversed),
            other => {
                return Err(sqlx::Error::Decode(format!("payment.state is `{other}`").into()));
            }
        })
    }
}

/// A row.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Payment {
    pub(crate) state: State,
    pub(crate) style: Style,
    pub(crate) is_refund_asked: bool,
    pub(crate) message: Message,
    pub(crate) headers: Headers,
    pub(crate) reason: Option<String>,
    pub(crate) attempts: u32,
    pub(crate) is_late: bool,
}

#[derive(Debug, sqlx::FromRow)]
struct Row {
    state: String,
    style: String,
    is_refund_asked: bool,
    message: String,
    event_id: String,
    correlation_id: Option<String>,
    traceparent: Option<String>,
    reason: Option<String>,
    attempts: i32,
    is_late: bool,
}

const COLUMNS: &str = "state, style, is_refund_asked, cast(message as char) as message, event_id, \
                       correlation_id, traceparent, reason, attempts, \
                       deadline_at <= current_timestamp(6) as is_late";

impl TryFrom<Row> for Payment {
    type Error = sqlx::Error;

    fn try_from(row: Row) -> Result<Self, sqlx::Error> {
        let message = serde_json::from_str(&row.message)
            .map_err(|error| sqlx::Error::Decode(error.into()))?;
        Ok(Self {
            state: State::of(&row.state)?,
            style: Style::of_column(&row.style)?,
            is_refund_asked: row.is_refund_asked,
            message,
            headers: Headers {
                traceparent: row.traceparent,
                correlation_id: row.correlation_id,
                causation_id: Some(row.event_id),
            },
            reason: row.reason,
            attempts: u32::try_from(row.attempts).unwrap_or(u32::MAX),
            is_late: row.is_late,
        })
    }
}

/// Whether it is new; otherwise nothing was written.
pub(crate) async fn insert(
    transaction: &mut Transaction<'_, MySql>,
    state: State,
    style: Style,
    message: &Message,
    cause: &Received,
    charge_deadline: Duration,
) -> Result<bool, sqlx::Error> {
    let is_work = !matches!(state, State::Ended(_));
    let inserted = sqlx::query(
        "insert into payment (transaction_id, state, style, message, event_id, correlation_id, \
                              traceparent, reason, due_at, deadline_at) \
         values (?, ?, ?, ?, ?, ?, ?, ?, if(?, current_timestamp(6), null), \
                 timestampadd(microsecond, ?, current_timestamp(6)))",
    )
    .bind(&message.transaction_id)
    .bind(state.as_str())
    .bind(style.as_str())
    .bind(json(message)?)
    .bind(&cause.event_id)
    .bind(&message.transaction_id)
    .bind(traceparent(cause))
    .bind(message.reason())
    .bind(is_work)
    .bind(microseconds(charge_deadline))
    .execute(&mut **transaction)
    .await;
    match inserted {
        Ok(_) => Ok(true),
        Err(sqlx::Error::Database(error)) if error.is_unique_violation() => Ok(false),
        Err(error) => Err(error),
    }
}

pub(crate) async fn locked(
    transaction: &mut Transaction<'_, MySql>,
    transaction_id: &str,
) -> Result<Payment, sqlx::Error> {
    let sql = format!("select {COLUMNS} from payment where transaction_id = ? for update");
    let row: Row = sqlx::query_as(sqlx::AssertSqlSafe(sql))
        .bind(transaction_id)
        .fetch_one(&mut **transaction)
        .await?;
    row.try_into()
}

/// Somebody wants the money back: from now on the answer is about that. The row is locked.
pub(crate) async fn ask_refund(
    transaction: &mut Transaction<'_, MySql>,
    style: Style,
    message: &Message,
    cause: &Received,
) -> Result<(), sqlx::Error> {
    sqlx::query(
        "update payment set state = 'REVERSING', is_refund_asked = true, style = ?, message = ?, \
                            event_id = ?, traceparent = ?, reason = ?, attempts = 0, \
                            due_at = current_timestamp(6) \
         where transaction_id = ?",
    )
    .bind(style.as_str())
    .bind(json(message)?)
    .bind(&cause.event_id)
    .bind(traceparent(cause))
    .bind(message.reason())
    .bind(&message.transaction_id)
    .execute(&mut **transaction)
    .await?;
    Ok(())
}

/// Takes what is due, and holds it for `lease`: nobody else gets it meanwhile. No lock stays.
pub(crate) async fn claim(
    pool: &MySqlPool,
    limit: u32,
    lease: Duration,
) -> Result<Vec<Payment>, sqlx::Error> {
    let mut transaction = pool.begin().await?;
    let sql = format!(
        "select {COLUMNS} from payment where due_at <= current_timestamp(6) \
         order by due_at limit ? for update skip locked"
    );
    let rows: Vec<Row> =
        sqlx::query_as(sqlx::AssertSqlSafe(sql)).bind(limit).fetch_all(&mut *transaction).await?;
    let claimed = rows.into_iter().map(Payment::try_from).collect::<Result<Vec<_>, _>>()?;
    for payment in &claimed {
        sqlx::query(
            "update payment set attempts = attempts + 1, \
                                due_at = timestampadd(microsecond, ?, current_timestamp(6)) \
             where transaction_id = ?",
        )
        .bind(microseconds(lease))
        .bind(&payment.message.transaction_id)
        .execute(&mut *transaction)
        .await?;
    }
    transaction.commit().await?;
    Ok(claimed)
}

/// From one state to another; whether it was still in the first.
pub(crate) async fn pass(
    transaction: &mut Transaction<'_, MySql>,
    transaction_id: &str,
    from: State,
    to: State,
    reason: Option<&str>,
) -> Result<bool, sqlx::Error> {
    let is_work = !matches!(to, State::Ended(_));
    let passed = sqlx::query(
        "update payment set state = ?, reason = coalesce(reason, ?), attempts = 0, \
                            due_at = if(?, current_timestamp(6), null) \
         where transaction_id = ? and state = ?",
    )
    .bind(to.as_str())
    .bind(reason.map(shop::message::cut))
    .bind(is_work)
    .bind(transaction_id)
    .bind(from.as_str())
    .execute(&mut **transaction)
    .await?;
    Ok(passed.rows_affected() == 1)
}

/// Once more, after a pause.
pub(crate) async fn postpone(
    pool: &MySqlPool,
    transaction_id: &str,
    state: State,
    pause: Duration,
) -> Result<(), sqlx::Error> {
    sqlx::query(
        "update payment set due_at = timestampadd(microsecond, ?, current_timestamp(6)) \
         where transaction_id = ? and state = ?",
    )
    .bind(microseconds(pause))
    .bind(transaction_id)
    .bind(state.as_str())
    .execute(pool)
    .await?;
    Ok(())
}

/// The work goes on below the span of the record's handling; without one, below the record's own.
fn traceparent(cause: &Received) -> Option<String> {
    TraceContext::current().or_else(|| cause.trace()).map(|trace| trace.to_string())
}

fn json(message: &Message) -> Result<String, sqlx::Error> {
    serde_json::to_string(message).map_err(|error| sqlx::Error::Encode(error.into()))
}

fn microseconds(time: Duration) -> i64 {
    i64::try_from(time.as_micros()).unwrap_or(i64::MAX)
}
