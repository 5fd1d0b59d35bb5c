//! The command line.
//!
//! Flags only carry texts to `config`, which types and validates them as it does the file and the
//! environment: one set of messages for all three.

use std::{
    num::{NonZeroU32, NonZeroUsize},
    path::PathBuf,
};

use clap::{Args, Parser, Subcommand, ValueEnum};

use crate::{
    config::{Config, ConfigError, Flag},
    exit_code::ExitCode,
    position_command::Product,
    range::Selection,
};

/// Publishes the outbox rows of a MySQL server to Kafka, exactly once.
#[derive(Debug, Parser)]
#[command(name = "rowpost", version, max_term_width = 100, arg_required_else_help = true)]
pub struct Cli {
    #[command(subcommand)]
    pub command: Command,
}

#[derive(Debug, Subcommand)]
pub enum Command {
    /// Publish until told to stop (SIGTERM or SIGINT; the second one ends at once).
    Run(ConfigArgs),
    /// Look at everything the relay needs of MySQL and Kafka, without publishing anything.
    ///
    /// Prints one line for each check, with the repair of what failed. Exit code 0: all is well, or
    /// there are only warnings; 69: something failed.
    Check(CheckArgs),
    /// Publish a part of the binlog once more, beside the daemon or without it.
    ///
    /// Exactly once as well: killed or stopped, it goes on with --resume. Records are byte for byte what
    /// the daemon published, with one header more: replayed, whose value is the replay's name. Exit code
    /// 0: finished; 75: stopped before its end.
    Replay(Box<ReplayArgs>),
    /// Say where an event is: its transaction in the binlog, and its record in Kafka.
    ///
    /// Only reads; a relay may run. Exit code 0: all that was found is in Kafka; 75: found in the binlog,
    /// and some of it is not in Kafka, or not yet; 66: not found.
    Find(Box<FindArgs>),
    /// Print what a running relay says of itself.
    Status(StatusArgs),
    /// Show the checkpoint, or move it.
    #[command(subcommand)]
    Position(PositionCommand),
}

/// Flags go over environment variables (ROWPOST_<SECTION>__<KEY>), these over the config file.
#[derive(Debug, Args)]
pub struct ConfigArgs {
    /// A TOML file; rowpost.example.toml has every key. Not needed where the flags say enough.
    #[arg(long, value_name = "FILE", env = "ROWPOST_CONFIG", hide_env_values = true)]
    config: Option<PathBuf>,
    /// The MySQL server. Other users of this machine can see the command line: a password is better
    /// left to ROWPOST_MYSQL__PASSWORD_FILE.
    #[arg(long, value_name = "URL")]
    mysql: Option<String>,
    /// Kafka's bootstrap servers, separated by commas.
    #[arg(long, value_name = "HOST:PORT")]
    kafka: Option<String>,
    /// The source's name, by which its checkpoint is known [default: mysql].
    #[arg(long, value_name = "NAME")]
    source: Option<String>,
    /// exactly-once or at-least-once [default: exactly-once].
    #[arg(long, value_name = "MODE")]
    delivery: Option<String>,
    /// Where a first start begins: earliest, latest, file:position or a GTID set [default: earliest].
    #[arg(long, value_name = "POSITION")]
    start: Option<String>,
    /// An outbox table; may be repeated, `*` stands for any name or a part of one
    /// [default: *.outbox].
    #[arg(long, value_name = "DB.TABLE")]
    outbox: Vec<String>,
    /// Where to serve metrics, health and status: an address, or off [default: 127.0.0.1:9187].
    #[arg(long, value_name = "ADDRESS")]
    http: Option<String>,
    /// text or json [default: text].
    #[arg(long, value_name = "FORMAT")]
    log_format: Option<String>,
    /// A tracing filter, such as rowpost=debug,info [default: info].
    #[arg(long, value_name = "FILTER")]
    log_filter: Option<String>,
}

#[derive(Debug, Args)]
pub struct CheckArgs {
    #[command(flatten)]
    pub config: ConfigArgs,
    #[arg(long, value_enum, default_value_t)]
    pub format: CheckFormat,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum)]
pub enum CheckFormat {
    #[default]
    Table,
    Json,
}

#[derive(Debug, Args)]
pub struct ReplayArgs {
    #[command(flatten)]
    pub config: ConfigArgs,
    /// Where to begin: earliest, file:position, past:file:position (the end of the transaction around
    /// that place), a GTID set (everything not in it), a time (2026-11-22T10:00:00Z) or a duration ago
    /// (90m).
    #[arg(long, value_name = "POINT", required_unless_present = "resume")]
    pub from: Option<String>,
    /// Where to end, in the same forms but for past:…; of a GTID set, nothing outside of it [default:
    /// now, the end at the moment of starting].
    #[arg(long, value_name = "POINT")]
    pub until: Option<String>,
    /// Only events with this table, key, type or id; may be repeated: of one name any, of different
    /// names all must be met.
    #[arg(long = "where", value_name = "NAME=VALUE")]
    pub selection: Vec<String>,
    /// Publish to topics of other names: this before the usual ones.
    #[arg(long, value_name = "PREFIX")]
    pub to_topic_prefix: Option<String>,
    /// Records per second, on average [default: as fast as it goes].
    #[arg(long, value_name = "RECORDS")]
    pub rate: Option<NonZeroU32>,
    /// Only say what would be published where. Needs no Kafka.
    #[arg(long, conflicts_with = "resume")]
    pub dry_run: bool,
    /// The replay's name, by which it can be resumed [default: made of what is replayed].
    #[arg(long, value_name = "NAME")]
    pub name: Option<String>,
    /// Go on with the replay of that name, as it was begun.
    #[arg(long, requires = "name")]
    pub resume: bool,
    #[command(flatten)]
    pub binlog: BinlogArgs,
}

/// What a part of the binlog is read from.
#[derive(Debug, Args)]
pub struct BinlogArgs {
    /// Read binlog files in a folder instead of a server: as the server wrote them or mysqlbinlog --raw
    /// fetched them, also .gz and .zst.
    #[arg(long, value_name = "DIR")]
    pub binlog_dir: Option<PathBuf>,
    /// The files' name without the number, where the folder holds several series.
    #[arg(long, value_name = "NAME", requires = "binlog_dir")]
    pub binlog_series: Option<String>,
    /// Where the binlog names no columns: take those of the present table even if it was altered since.
    #[arg(long)]
    pub trust_present_columns: bool,
}

/// For commands that do without a server.
const NOBODY: (&str, &str) = ("mysql.url", "mysql://nobody@nowhere.invalid");

impl ReplayArgs {
    /// Loads the configuration. A dry run does without Kafka, and files do without a server: whether
    /// one is named all the same is the second answer.
    pub fn load(&self) -> Result<(Config, bool), ConfigError> {
        const NO_KAFKA: (&str, &str) = ("kafka.bootstrap_servers", "nowhere.invalid:9092");
        let mut stand_ins = Vec::new();
        // A resumed one may be of files, and then says so itself.
        if self.binlog.binlog_dir.is_some() || self.resume {
            stand_ins.push(NOBODY);
        }
        if self.dry_run {
            stand_ins.push(NO_KAFKA);
        }
        let (config, missing) = Config::load_without(
            &stand_ins,
            self.config.config.as_deref(),
            std::env::vars_os(),
            &self.config.flags(),
        )?;
        Ok((config, !missing.contains(&NOBODY.0)))
    }
}

#[derive(Debug, Args)]
pub struct FindArgs {
    #[command(flatten)]
    pub config: ConfigArgs,
    /// The event's id. As --key and --type it may be repeated: of one any, of different ones all must be
    /// met.
    #[arg(long, value_name = "ID")]
    pub id: Vec<String>,
    /// The record key.
    #[arg(long, value_name = "KEY")]
    pub key: Vec<String>,
    /// The event's type, in the column `event_type` of the configuration.
    #[arg(long = "type", value_name = "TYPE")]
    pub event_type: Vec<String>,
    /// Where to begin, in the forms that replay takes [default: earliest, or 1h ago where the server has
    /// more than 1 GiB of binlog].
    #[arg(long, value_name = "POINT")]
    pub from: Option<String>,
    /// Where to end, in the same forms [default: now].
    #[arg(long, value_name = "POINT")]
    pub until: Option<String>,
    /// Every event that is met, not only the first.
    #[arg(long)]
    pub all: bool,
    /// No more events than that.
    #[arg(long, value_name = "EVENTS", requires = "all", default_value = "100")]
    pub limit: NonZeroUsize,
    /// Search every partition of the topic: partitions were added since the event was published.
    #[arg(long)]
    pub all_partitions: bool,
    /// For programs.
    #[arg(long)]
    pub json: bool,
    #[command(flatten)]
    pub binlog: BinlogArgs,
}

impl FindArgs {
    /// Loads the configuration. Files do without a server: whether one is named all the same is the
    /// second answer.
    pub fn load(&self) -> Result<(Config, bool), ConfigError> {
        let stand_ins: &[_] = if self.binlog.binlog_dir.is_some() { &[NOBODY] } else { &[] };
        let (config, missing) = Config::load_without(
            stand_ins,
            self.config.config.as_deref(),
            std::env::vars_os(),
            &self.config.flags(),
        )?;
        Ok((config, missing.is_empty()))
    }

    pub(crate) fn selection(&self) -> Selection {
        let Self { id, key, event_type, .. } = self;
        Selection {
            table: Vec::new(),
            key: key.clone(),
            event_type: event_type.clone(),
            id: id.clone(),
        }
    }

    pub(crate) fn events_max(&self) -> usize {
        if self.all { self.limit.get() } else { 1 }
    }
}

#[derive(Debug, Args)]
pub struct StatusArgs {
    /// Where the relay serves HTTP [default: the port of ROWPOST_HTTP__LISTEN, else
    /// http://127.0.0.1:9187].
    #[arg(long, value_name = "URL")]
    pub url: Option<String>,
    /// Only ask whether the relay is ready: exit code 0 if so, else 69 with the reason.
    #[arg(long)]
    pub ready: bool,
    #[arg(long, value_enum, default_value_t)]
    pub format: StatusFormat,
}

#[derive(Debug, Subcommand)]
pub enum PositionCommand {
    /// Print the checkpoint, how far the server is ahead of it, and how far the oldest binlog file is
    /// behind. Only reads; a relay may run.
    Show(PositionShowArgs),
    /// Write a new checkpoint. Says first what is left out or published once more.
    ///
    /// Waits for a little longer than checkpoint.interval to see that no relay runs. Exit code 64: it is
    /// no position between two transactions, or --yes is missing; 69: a relay runs, or the server does
    /// not have it.
    Set(PositionSetArgs),
    /// Take over the position of Debezium, Maxwell or Eventuate, so that nothing is left out or comes
    /// twice. Stop it before.
    ///
    /// Says first what was found and what it becomes. Exit code 64: the command line does not say which of
    /// several, or --yes is missing; 66: there is no such position; 69: it cannot be read or served, or a
    /// relay or the other product runs.
    Import(Box<PositionImportArgs>),
}

#[derive(Debug, Args)]
pub struct PositionShowArgs {
    #[command(flatten)]
    pub config: ConfigArgs,
    /// For programs.
    #[arg(long)]
    pub json: bool,
}

#[derive(Debug, Args)]
pub struct PositionSetArgs {
    /// earliest, latest, file:position, a GTID set (everything in it counts as published), or
    /// past:file:position, the end of the transaction around that place.
    #[arg(value_name = "POSITION")]
    pub position: String,
    #[command(flatten)]
    pub config: ConfigArgs,
    /// The XID of a prepared XA branch, as `position show` writes it, that is not waited for any more:
    /// its rows are never published. Repeatable.
    #[arg(long, value_name = "XID")]
    pub forget_branch: Vec<String>,
    #[command(flatten)]
    pub move_args: MoveArgs,
}

/// How a position is written over the one that is there.
#[derive(Debug, Clone, Copy, Args)]
pub struct MoveArgs {
    /// Only say what it would do.
    #[arg(long)]
    pub dry_run: bool,
    /// Leave transactions out, or publish some once more, without being asked.
    #[arg(long)]
    pub yes: bool,
    /// Do not look whether a relay runs: shut it out. It ends with exit code 69.
    #[arg(long)]
    pub force: bool,
}

#[derive(Debug, Args)]
pub struct PositionImportArgs {
    /// Whose position.
    #[arg(long, value_enum)]
    pub from: Product,
    /// The topic in which it is [default: connect-offsets of Debezium, offset.storage.topic of
    /// Eventuate].
    #[arg(long, value_name = "TOPIC", conflicts_with = "file")]
    pub topic: Option<String>,
    /// Debezium: the offsets file of a standalone worker or of its engine.
    #[arg(long, value_name = "FILE")]
    pub file: Option<PathBuf>,
    /// Where several are: Debezium's connector, its topic.prefix, or connector/topic.prefix; Eventuate's
    /// reader.
    #[arg(long, value_name = "NAME")]
    pub name: Option<String>,
    /// Maxwell: its database [default: maxwell].
    #[arg(long, value_name = "DB")]
    pub schema: Option<String>,
    /// Maxwell: its client_id [default: maxwell].
    #[arg(long, value_name = "ID")]
    pub client_id: Option<String>,
    #[command(flatten)]
    pub config: ConfigArgs,
    #[command(flatten)]
    pub move_args: MoveArgs,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum)]
pub enum StatusFormat {
    #[default]
    Text,
    Json,
}

/// Shows the help, the version, or what is wrong with the command line.
pub fn refuse(answer: &clap::Error) -> ExitCode {
    // There is nowhere else to say that standard error is closed.
    let _closed = answer.print();
    if answer.use_stderr() { ExitCode::Usage } else { ExitCode::Done }
}

impl ConfigArgs {
    /// Loads file, environment and flags.
    pub fn load(&self) -> Result<Config, ConfigError> {
        Config::load(self.config.as_deref(), std::env::vars_os(), &self.flags())
    }

    fn flags(&self) -> Vec<Flag> {
        let one = |flag, value: &Option<String>| Flag {
            flag,
            values: value.clone().into_iter().collect(),
        };
        [
            one("--mysql", &self.mysql),
            one("--kafka", &self.kafka),
            one("--source", &self.source),
            one("--delivery", &self.delivery),
            one("--start", &self.start),
            Flag { flag: "--outbox", values: self.outbox.clone() },
            one("--http", &self.http),
            one("--log-format", &self.log_format),
            one("--log-filter", &self.log_filter),
        ]
        .into_iter()
        .filter(|flag| !flag.values.is_empty())
        .collect()
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;
    use crate::config::keys::KEYS;

    #[test]
    fn command_line_is_consistent() {
        Cli::command().debug_assert();
    }

    #[test]
    fn every_flag_of_the_key_table_is_on_the_command_line_and_reaches_its_key() {
        let expected: Vec<&str> = KEYS.iter().filter_map(|key| key.flag).collect();
        let line = expected.iter().flat_map(|flag| [*flag, "x"]);

        let cli = Cli::try_parse_from(["rowpost", "run"].into_iter().chain(line)).unwrap();

        let Command::Run(args) = cli.command else { panic!("not run") };
        let mut flags: Vec<&str> = args.flags().iter().map(|flag| flag.flag).collect();
        flags.sort_unstable();
        let mut expected = expected;
        expected.sort_unstable();
        assert_eq!(flags, expected);
    }

    #[test]
    fn outbox_may_be_repeated() {
        let line = ["rowpost", "check", "--outbox", "a.x", "--outbox", "b.y"];

        let cli = Cli::try_parse_from(line).unwrap();

        let Command::Check(args) = cli.command else { panic!("not check") };
        assert_eq!(args.config.flags()[0].values, ["a.x", "b.y"]);
    }
}
