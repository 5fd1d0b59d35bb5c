//! `rowpost replay`.

use std::{io::Write, sync::Arc, time::Instant};

use jiff::Timestamp;
use prometheus_client::registry::Registry;
use tokio_util::sync::CancellationToken;

use super::{
    ReplayError,
    description::{Asked, Description, check_name},
    dry_run,
    feed::RangeFeed,
};
use crate::{
    checkpoint::{Checkpoint, Store},
    cli::ReplayArgs,
    config::Config,
    exit_code::ExitCode,
    failure::Failure,
    logging,
    metrics::Metrics,
    pipeline::{Pipeline, PipelineError},
    progress::{Moment, Progress},
    publish,
    range::{self, Extent, Point, RangeError, Selection},
    record::check_topic_name,
    shutdown::Signals,
    source::{binlog_files::BinlogFolder, look, settle},
    status::Status,
};

/// A replay about to begin or to go on.
struct Replay<'a> {
    args: &'a ReplayArgs,
    config: Config,
    has_server: bool,
    progress: Progress,
    metrics: Metrics,
}

/// Runs it to its end, or until a signal.
pub async fn run(args: &ReplayArgs, output: impl Write) -> Result<(), Failure> {
    let (config, has_server) = args.load()?;
    let progress = Progress::new();
    let writer = progress.clone();
    logging::init_with(&config.log, move || writer.above())?;
    let stop = CancellationToken::new();
    let signals = Signals::install().map_err(Failure::Runtime)?;
    tokio::spawn(signals.watch(stop.clone()));
    let metrics = Metrics::register(&mut Registry::default());
    let mut replay = Replay { args, config, has_server, progress, metrics };
    let ended = replay.run(stop, output).await;
    replay.progress.clear();
    ended
}

impl Replay<'_> {
    async fn run(
        &mut self,
        stop: CancellationToken,
        mut output: impl Write,
    ) -> Result<(), Failure> {
        let described = tokio::select! {
            described = self.describe() => described?,
            () = stop.cancelled() => return Err(ReplayError::StoppedBefore.into()),
        };
        let Described { description, folder, settings, is_finished } = described;
        // Coordinates name a place on one server only, whichever host that is today.
        if folder.is_none() {
            let settled = settle(&self.config, Some(description.range.server_uuid)).await;
            self.config = settled.map_err(ReplayError::Source)?;
        }
        let description = Arc::new(description);
        let feed = RangeFeed::new(
            &self.config,
            &self.source(&description.name),
            Arc::clone(&description),
            folder.clone(),
            self.has_server,
            self.args.rate,
        );
        if self.args.dry_run {
            return self.count(&feed, &description.name, stop, output).await;
        }
        if is_finished {
            writeln!(
                output,
                "replay {} is finished, there is nothing to resume",
                description.name
            )?;
            return Ok(());
        }
        let range = &description.range;
        let name = &description.name;
        self.progress.line(&format!("replay {name}: {} to {}", range.start, range.end));
        let extent = self.extent(&description, folder.as_ref()).await?;
        let status = Status::new(&self.config, self.metrics.clone());
        let settings = settings.noting(description.to_note()?);
        let (metrics, began) = (self.metrics.clone(), Instant::now());
        let pipeline = Pipeline::of(feed, &self.config, settings, metrics, status.clone());
        let moment = || {
            let activity = self.metrics.activity.summary();
            Some(Moment {
                at: status.committed()?.position.coordinates,
                counted: activity.records_total,
                per_second: activity.records_per_second,
            })
        };
        let shown = format!("replay {name}");
        let ended = tokio::select! {
            ended = pipeline.run(stop) => ended,
            never = self.progress.show(&shown, "records", &extent, moment) => match never {},
        };
        ended.map_err(|error| match ExitCode::from(&error) == ExitCode::Data {
            true => Failure::Replay(halted(name, error)),
            false => Failure::Pipeline(error),
        })?;
        self.conclude(&description, &status, began, output)
    }

    /// Says what would be published.
    async fn count(
        &self,
        feed: &RangeFeed,
        name: &str,
        stop: CancellationToken,
        mut output: impl Write,
    ) -> Result<(), Failure> {
        let stopped = stop.clone();
        let counting = dry_run::run(feed, &self.config, self.metrics.clone(), stop);
        let counted = Box::pin(counting).await;
        let tally = counted.map_err(|error| match ExitCode::from(&error) == ExitCode::Data {
            true => halted(name, error),
            false => ReplayError::Source(error),
        })?;
        if stopped.is_cancelled() {
            return Err(ReplayError::StoppedBefore.into());
        }
        output.write_all(tally.to_string().as_bytes())?;
        Ok(())
    }

    /// The daemon's name, and the replay's.
    fn source(&self, name: &str) -> String {
        format!("{}.replay.{name}", self.config.source)
    }

    /// With transactional ids and a checkpoint key of the replay's own, in a topic of replays: the
    /// daemon reads the end of its own one at each start.
    fn settings(&self, name: &str) -> Result<publish::Settings, ReplayError> {
        let topic = match &self.config.checkpoint.topic {
            Some(topic) => format!("{topic}.replays"),
            None => format!("rowpost.{}.replays", self.config.source),
        };
        let settings = self.config.publish_settings()?;
        Ok(settings.aside(&self.source(name), topic)?)
    }

    async fn describe(&self) -> Result<Described, ReplayError> {
        if self.args.resume {
            return self.stored().await;
        }
        let now = Timestamp::now();
        let from = Point::from(self.args.from.as_deref().unwrap_or_default(), now);
        let from = from.map_err(RangeError::from)?;
        let until = Point::until(self.args.until.as_deref().unwrap_or("now"), now);
        let until = until.map_err(RangeError::from)?;
        let asked = self.asked()?;
        let folder = folder(&asked)?;
        let range = match &folder {
            Some(folder) => range::in_files(folder, &from, &until).await?,
            None => {
                let settled = settle(&self.config, None).await;
                let mut config = settled.map_err(ReplayError::Source)?;
                let name = self.args.name.as_deref().unwrap_or("search");
                range::aside(&mut config, &self.source(name));
                range::on_server(&config, &from, &until).await?
            }
        };
        let description = Description::new(self.args.name.as_deref(), asked, range)?;
        let settings = self.settings(&description.name)?;
        if !self.args.dry_run {
            let name = description.name.clone();
            match newest(settings.clone()).await? {
                None => {}
                Some(checkpoint) if is_finished(&name, &checkpoint)? => {
                    return Err(ReplayError::Finished { name });
                }
                Some(Checkpoint { position, .. }) => {
                    return Err(ReplayError::Unfinished { name, at: position.coordinates });
                }
            }
        }
        Ok(Described { description, folder, settings, is_finished: false })
    }

    /// What the checkpoint of a replay says of it.
    async fn stored(&self) -> Result<Described, ReplayError> {
        let name = check_name(self.args.name.as_deref().unwrap_or_default())?;
        let settings = self.settings(name)?;
        let checkpoint = newest(settings.clone()).await?;
        let checkpoint =
            checkpoint.ok_or_else(|| ReplayError::NoSuchReplay { name: name.to_owned() })?;
        let mut description = Description::of_note(name, checkpoint.note)?;
        self.ensure_same(&description)?;
        // Somebody may have looked at the table since it was refused.
        description.asked.trust_present_columns |= self.args.binlog.trust_present_columns;
        let is_finished = description.is_finished_at(&checkpoint.position);
        let folder = folder(&description.asked)?;
        if folder.is_none() && !self.has_server {
            return Err(ReplayError::NoServer { name: name.to_owned() });
        }
        Ok(Described { description, folder, settings, is_finished })
    }

    /// What is given again must be what it was.
    fn ensure_same(
        &self,
        Description { name, asked, .. }: &Description,
    ) -> Result<(), ReplayError> {
        let args = self.args;
        let given = self.asked()?;
        let selection = |selection: &Selection| {
            serde_json::to_string(selection).map_err(ReplayError::NotEncodable)
        };
        let shown = |text: &Option<String>| text.clone().unwrap_or_else(|| "nothing".to_owned());
        let folder =
            |asked: &Asked| asked.binlog_dir.as_ref().map(|folder| folder.display().to_string());
        let pairs = [
            ("--from", args.from.is_some(), asked.from.clone(), given.from.clone()),
            ("--until", args.until.is_some(), asked.until.clone(), given.until.clone()),
            (
                "--where",
                !args.selection.is_empty(),
                selection(&asked.selection)?,
                selection(&given.selection)?,
            ),
            (
                "--to-topic-prefix",
                args.to_topic_prefix.is_some(),
                shown(&asked.topic_prefix),
                shown(&given.topic_prefix),
            ),
            (
                "--binlog-dir",
                args.binlog.binlog_dir.is_some(),
                shown(&folder(asked)),
                shown(&folder(&given)),
            ),
            (
                "--binlog-series",
                args.binlog.binlog_series.is_some(),
                shown(&asked.binlog_series),
                shown(&given.binlog_series),
            ),
        ];
        for (argument, is_given, stored, given) in pairs {
            if is_given && stored != given {
                let name = name.clone();
                return Err(ReplayError::OtherArguments { name, argument, stored, given });
            }
        }
        Ok(())
    }

    fn asked(&self) -> Result<Asked, ReplayError> {
        let args = self.args;
        if let Some(prefix) = &args.to_topic_prefix
            && check_topic_name(prefix.as_bytes()).is_err()
            && prefix != "."
        {
            return Err(ReplayError::Prefix { prefix: prefix.clone() });
        }
        Ok(Asked {
            from: args.from.clone().unwrap_or_default(),
            until: args.until.clone().unwrap_or_else(|| "now".to_owned()),
            selection: Selection::parse(&args.selection)?,
            topic_prefix: args.to_topic_prefix.clone(),
            // Resumed from another directory it is the same one.
            binlog_dir: args
                .binlog
                .binlog_dir
                .as_ref()
                .map(|folder| std::path::absolute(folder).unwrap_or_else(|_| folder.clone())),
            binlog_series: args.binlog.binlog_series.clone(),
            trust_present_columns: args.binlog.trust_present_columns,
        })
    }

    async fn extent(
        &self,
        description: &Description,
        folder: Option<&BinlogFolder>,
    ) -> Result<Extent, ReplayError> {
        Ok(match folder {
            Some(folder) => Extent::in_files(folder, &description.range),
            None => {
                let server = look(&self.config).await.map_err(ReplayError::Source)?;
                Extent::on_server(&server.files, &description.range)
            }
        })
    }

    /// The pipeline ended without an error: at the end, or because it was asked to.
    fn conclude(
        &self,
        description: &Description,
        status: &Status,
        began: Instant,
        mut output: impl Write,
    ) -> Result<(), Failure> {
        let name = description.name.clone();
        let Some(committed) = status.committed() else {
            let at = description.range.start.clone();
            return Err(ReplayError::Stopped { name, at }.into());
        };
        if !description.is_finished_at(&committed.position) {
            let at = committed.position.coordinates;
            return Err(ReplayError::Stopped { name, at }.into());
        }
        let summary = self.metrics.activity.summary();
        let range = &description.range;
        self.progress.clear();
        writeln!(
            output,
            "replay {name} is finished: {} records in {} Kafka transactions published, {} outbox rows \
             of {} transactions read, from {} to {}, in {:.1} s",
            summary.records_total,
            summary.commits_total,
            self.metrics.outbox_rows_read.get(),
            self.metrics.transactions_read.get(),
            range.start,
            range.end,
            began.elapsed().as_secs_f64(),
        )?;
        Ok(())
    }
}

/// What no further start gets past, a person must pass otherwise than a relay does.
fn halted(name: &str, error: impl Into<PipelineError>) -> ReplayError {
    ReplayError::Halted { name: name.to_owned(), source: Box::new(error.into()) }
}

/// What is replayed, and under which settings.
struct Described {
    description: Description,
    folder: Option<BinlogFolder>,
    settings: publish::Settings,
    is_finished: bool,
}

fn folder(asked: &Asked) -> Result<Option<BinlogFolder>, ReplayError> {
    let Some(path) = &asked.binlog_dir else { return Ok(None) };
    Ok(Some(BinlogFolder::open(path, asked.binlog_series.as_deref())?))
}

fn is_finished(name: &str, checkpoint: &Checkpoint) -> Result<bool, ReplayError> {
    let description = Description::of_note(name, checkpoint.note.clone())?;
    Ok(description.is_finished_at(&checkpoint.position))
}

/// The replay's newest checkpoint; `None` also where there never was a replay of the source.
async fn newest(settings: publish::Settings) -> Result<Option<Checkpoint>, ReplayError> {
    let looking = tokio::task::spawn_blocking(move || Store::new(&settings).newest());
    let found = looking.await.map_err(|_panicked| ReplayError::BrokeOff)?;
    found.map_err(ReplayError::Checkpoint)
}
