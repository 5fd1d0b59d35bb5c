//! `rowpost find`.

use std::{io::Write, sync::Arc};

use jiff::Timestamp;
use prometheus_client::registry::Registry;

use super::{
    FindError,
    events::{Asked, Event, Pace, Search},
    kafka::{self, CLOCK_SLACK, Destination},
    report::{Behind, Found, Published, Report, SearchedBinlog, Stored},
    text,
    verdict::{Here, Standing, Status, status},
};
use crate::{
    checkpoint::{Checkpoint, CheckpointError, FirstPast, Store},
    cli::FindArgs,
    config::Config,
    failure::Failure,
    logging,
    metrics::Metrics,
    position::BinlogCoordinates,
    progress::Progress,
    publish::Settings,
    range::{self, Extent, Point, Range, RangeError, Selection},
    source::{
        Origin, SourceError, StartError,
        binlog_files::BinlogFolder,
        look,
        mysql::ConnectOptions,
        server::{ServerFacts, bytes_between},
        settle,
    },
};

/// Where nobody says from where to search: a binlog of this size is searched whole, in seconds; of a
/// larger one the last hour is, because who asks has most often just missed the event.
const WHOLE_BYTES_MAX: u64 = 1 << 30;
const LAST: &str = "1h";

/// Looks in the binlog, then in Kafka, and prints.
pub async fn run(args: &FindArgs, mut output: impl Write) -> Result<(), Failure> {
    let (config, has_server) = args.load()?;
    let selection = args.selection();
    if selection == Selection::default() {
        return Err(FindError::NothingAsked.into());
    }
    let progress = Progress::new();
    let writer = progress.clone();
    logging::init_with(&config.log, move || writer.above())?;
    let config = match args.binlog.binlog_dir {
        // The server is asked for names of columns at most.
        Some(_) => settle(&config, None).await.unwrap_or(config),
        None => settle(&config, None).await.map_err(FindError::from)?,
    };
    let find = Find { args, config, has_server, progress };
    let found = Box::pin(find.report(selection)).await;
    find.progress.clear();
    let report = found?;
    if args.json {
        serde_json::to_writer_pretty(&mut output, &report).map_err(FindError::NotEncodable)?;
        writeln!(output)?;
    } else {
        output.write_all(text::report(&report).as_bytes())?;
    }
    let found = report.events.len();
    if found == 0 {
        return Err(FindError::NotFound.into());
    }
    let missing = report.events.iter().filter(|event| !event.status.is_in_kafka()).count();
    if missing > 0 {
        return Err(FindError::NotInKafka { found, missing }.into());
    }
    Ok(())
}

struct Find<'a> {
    args: &'a FindArgs,
    config: Config,
    has_server: bool,
    progress: Progress,
}

/// Where is searched, and what the server says of itself, if it is one.
struct Binlog {
    name: String,
    origin: Origin,
    server: Option<ServerFacts>,
    oldest: Option<BinlogCoordinates>,
    range: Range,
}

impl Find<'_> {
    async fn report(&self, selection: Selection) -> Result<Report, FindError> {
        let settings = self.config.publish_settings()?;
        let binlog = self.binlog().await?;
        let metrics = Metrics::register(&mut Registry::default());
        let search = self.search(&binlog, selection, metrics.clone()).await?;
        // ORDER: before Kafka is looked at, and once more behind it: a relay may be running.
        let before = newest(&settings).await?;
        let destinations = self.look(&settings, &search).await?;
        let after = newest(&settings).await?;
        let mut events = Vec::new();
        for (event, destination) in search.events.iter().zip(destinations) {
            let checkpoints = (before.as_ref(), after.as_ref());
            events.push(self.judge(&settings, &binlog, event, destination, checkpoints).await?);
        }
        let Binlog { name, oldest, range, .. } = binlog;
        Ok(Report {
            source: self.config.source.clone(),
            searched: SearchedBinlog {
                binlog_of: name,
                is_from_oldest: oldest.is_some_and(|oldest| range.start <= oldest),
                from: range.start,
                until: range.end,
                stopped_at: search.stopped_at,
                transactions: metrics.transactions_read.get(),
                outbox_rows: search.tables,
                outbox_tables: self
                    .config
                    .outbox
                    .iter()
                    .map(|entry| entry.table.to_string())
                    .collect(),
            },
            checkpoint: after.as_ref().map(Stored::from),
            events,
        })
    }

    /// A source of another name, whose stream is not the daemon's.
    fn aside(&self) -> Config {
        let mut config = self.config.clone();
        range::aside(&mut config, &format!("{}.find", self.config.source));
        for entry in &mut config.outbox {
            entry.keeps_event_type = !self.args.event_type.is_empty();
        }
        config
    }

    async fn binlog(&self) -> Result<Binlog, FindError> {
        let now = Timestamp::now();
        let until = self.args.until.as_deref().unwrap_or("now");
        let until = Point::until(until, now).map_err(RangeError::from)?;
        let from = self.args.from.as_deref().map(|from| Point::from(from, now));
        let from = from.transpose().map_err(RangeError::from)?;
        let config = self.aside();
        if let Some(path) = &self.args.binlog.binlog_dir {
            let folder = BinlogFolder::open(path, self.args.binlog.binlog_series.as_deref())?;
            let from = from.unwrap_or(Point::Earliest);
            let range = range::in_files(&folder, &from, &until).await?;
            return Ok(Binlog {
                name: path.display().to_string(),
                oldest: folder.files().first().map(|file| BinlogCoordinates {
                    file: Arc::clone(&file.name),
                    position: BinlogCoordinates::FIRST_EVENT,
                }),
                origin: Origin::Files(folder),
                server: None,
                range,
            });
        }
        let server = look(&config).await?;
        let range = match from {
            Some(from) => range::on_server(&config, &from, &until).await?,
            None => by_default(&config, &server, &until, now).await?,
        };
        Ok(Binlog {
            name: ConnectOptions::new(&config.mysql).address(),
            origin: Origin::Server,
            oldest: Some(server.beginning()),
            server: Some(server),
            range,
        })
    }

    async fn search(
        &self,
        binlog: &Binlog,
        selection: Selection,
        metrics: Metrics,
    ) -> Result<Search, FindError> {
        let extent = match (&binlog.origin, &binlog.server) {
            (Origin::Files(folder), _) => Extent::in_files(folder, &binlog.range),
            (Origin::Server, server) => {
                let files = server.as_ref().map_or(&[][..], |server| &server.files);
                Extent::on_server(files, &binlog.range)
            }
        };
        let trust_present = self.args.binlog.trust_present_columns;
        let asked = Asked {
            config: self.aside(),
            origin: binlog.origin.clone(),
            present_columns: range::present_columns(self.has_server, trust_present),
            range: binlog.range.clone(),
            selection,
            events_max: self.args.events_max(),
        };
        let Range { start, end, .. } = &binlog.range;
        self.progress.line(&format!("find: searching from {start} to {end}"));
        let pace = Pace::default();
        let found = tokio::select! {
            found = asked.search(metrics, &pace) => found,
            never = self.progress.show("find", "outbox rows", &extent, || pace.moment()) => match never {},
        };
        Ok(found?)
    }

    async fn look(
        &self,
        settings: &Settings,
        search: &Search,
    ) -> Result<Vec<Destination>, FindError> {
        let (settings, events) = (settings.clone(), search.events.clone());
        let (all_partitions, progress) = (self.args.all_partitions, self.progress.clone());
        if events.is_empty() {
            return Ok(Vec::new());
        }
        let looking = tokio::task::spawn_blocking(move || {
            kafka::look(&settings, &events, all_partitions, &progress)
        });
        looking.await.map_err(|_panicked| FindError::BrokeOff)?
    }

    async fn judge(
        &self,
        settings: &Settings,
        binlog: &Binlog,
        event: &Event,
        destination: Destination,
        (before, after): (Option<&Checkpoint>, Option<&Checkpoint>),
    ) -> Result<Found, FindError> {
        let here = Here {
            server_uuid: binlog.range.server_uuid,
            is_by_gtids: match &binlog.server {
                Some(server) => server.gtids.is_some(),
                // Of files a GTID is all there is to go by.
                None => event.gtid.is_some(),
            },
        };
        let of = |checkpoint: Option<&Checkpoint>| {
            Standing::of(checkpoint.map(|checkpoint| &checkpoint.position), event, here)
        };
        let status = status(&destination.copies, of(before), of(after));
        let behind = match (of(after), after) {
            (Standing::Before, Some(checkpoint)) => Some(behind(checkpoint, event, binlog)),
            (_, _) => None,
        };
        let published = match status == Status::Published {
            true => published(settings, event, &destination, here).await?,
            false => None,
        };
        Ok(Found::of(event, destination, (status, of(after)), behind, published))
    }
}

/// The whole binlog if it is small, else its end.
async fn by_default(
    config: &Config,
    server: &ServerFacts,
    until: &Point,
    now: Timestamp,
) -> Result<Range, FindError> {
    let bytes: u64 = server.files.iter().map(|file| file.bytes).sum();
    if bytes > WHOLE_BYTES_MAX {
        let last = Point::from(LAST, now).map_err(RangeError::from)?;
        match range::on_server(config, &last, until).await {
            // All of it is younger.
            Err(RangeError::Source(SourceError::Start(StartError::TimePurged { .. })))
            // The end lies before.
            | Err(RangeError::Backwards { .. }) => {}
            found => return Ok(found?),
        }
    }
    Ok(range::on_server(config, &Point::Earliest, until).await?)
}

fn behind(checkpoint: &Checkpoint, event: &Event, binlog: &Binlog) -> Behind {
    let position = &checkpoint.position;
    let is_here = |server: &&ServerFacts| {
        server.server_uuid == position.server_uuid
            && server.files.iter().any(|file| file.name == position.coordinates.file)
    };
    let here = binlog.server.as_ref().filter(is_here);
    Behind {
        bytes: here
            .map(|server| bytes_between(&position.coordinates, &event.ends_at, &server.files)),
        seconds: Timestamp::now().as_second().saturating_sub(event.committed_at.as_second()),
    }
}

/// When the broker stored it, if it says so, else when the first checkpoint past it was written: the two
/// are in one Kafka transaction.
async fn published(
    settings: &Settings,
    event: &Event,
    destination: &Destination,
    here: Here,
) -> Result<Option<Published>, FindError> {
    let original = destination.copies.originals().next();
    if let Some(at) = original.filter(|copy| copy.is_broker_time).and_then(|copy| copy.timestamp) {
        return Ok(Some(Published::by_broker(at, event.committed_at)));
    }
    let slack = i64::try_from(CLOCK_SLACK.as_millis()).unwrap_or(i64::MAX);
    let since_ms = event.committed_at.as_millisecond().saturating_sub(slack);
    let (store, event_) = (Store::new(settings), event.clone());
    let first = blocking(move || {
        store.first_past(since_ms, |position| {
            Standing::of(Some(position), &event_, here) == Standing::Past
        })
    });
    let first: Option<FirstPast> = first.await?;
    Ok(first.map(|first| Published::with_checkpoint(&first, event.committed_at)))
}

async fn newest(settings: &Settings) -> Result<Option<Checkpoint>, FindError> {
    let store = Store::new(settings);
    blocking(move || store.newest()).await
}

async fn blocking<T: Send + 'static>(
    ask: impl FnOnce() -> Result<T, CheckpointError> + Send + 'static,
) -> Result<T, FindError> {
    let asked = tokio::task::spawn_blocking(ask).await;
    Ok(asked.map_err(|_panicked| FindError::BrokeOff)??)
}
