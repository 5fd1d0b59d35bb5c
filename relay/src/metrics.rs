//! Every metric, in one place; the stages hold typed handles.
//!
//! Names: `rowpost_<noun>_<unit>`, counters end in `_total`; labels are low-cardinality, never an id
//! or a GTID.

use std::sync::{Arc, atomic::AtomicU64};

use prometheus_client::{
    encoding::EncodeLabelSet,
    metrics::{
        counter::Counter,
        family::Family,
        gauge::Gauge,
        histogram::{Histogram, exponential_buckets},
    },
    registry::{Registry, Unit},
};

use crate::status::{Activity, SourceView};

/// A gauge in seconds with a fraction.
pub type SecondsGauge = Gauge<f64, AtomicU64>;

/// Kafka topic, as far as the outbox rows name them.
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct TopicLabel {
    pub topic: String,
}

/// A host of `mysql.url`, as `host:port`.
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct HostLabel {
    pub host: String,
}

/// Stage that tried again: `source` or `publish`.
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct StageLabel {
    pub stage: &'static str,
}

/// Handles are cheap to clone and shared.
#[derive(Debug, Clone)]
pub struct Metrics {
    /// Transactions read from the binlog, with and without outbox rows.
    pub transactions_read: Counter,
    /// Outbox rows read.
    pub outbox_rows_read: Counter,
    /// Bytes of binlog events read.
    pub binlog_bytes_read: Counter,
    /// 1 while the binlog connection stands.
    pub source_connected: Gauge,
    /// 1 for the host that is read, or was read last; 0 for those that were read before.
    pub source_host: Family<HostLabel, Gauge>,
    /// How often another host was taken than the one before.
    pub failovers: Counter,
    /// Bytes of records read and not yet handed to librdkafka.
    pub in_flight_bytes: Gauge,
    /// Records handed to librdkafka.
    pub records_published: Family<TopicLabel, Counter>,
    /// Records in committed Kafka transactions (at-least-once: acknowledged).
    pub records_acknowledged: Family<TopicLabel, Counter>,
    /// Records of one Kafka transaction.
    pub batch_records: Histogram,
    /// From the first record of a batch to the end of its commit.
    pub commit_seconds: Histogram,
    /// From the commit on the source to the commit in Kafka, last batch; 0 once caught up.
    pub replication_lag: SecondsGauge,
    /// Bytes of binlog between the committed position and the end of the source's binlog.
    pub replication_lag_bytes: Gauge,
    /// Unix time of the last committed checkpoint.
    pub checkpoint_timestamp: SecondsGauge,
    /// XA branches with outbox rows that are prepared.
    pub branches_prepared: Gauge,
    /// Unix time at which the oldest of them was; 0 without one.
    pub oldest_branch_timestamp: SecondsGauge,
    /// Attempts after a failure, by stage.
    pub retries: Family<StageLabel, Counter>,
    /// Spans that the collector has taken.
    pub spans_exported: Counter,
    /// Spans for which the queue had no room, or that the collector did not take.
    pub spans_lost: Counter,
    /// The last minute's commits for `/api/status`; Prometheus computes its own windows.
    pub activity: Arc<Activity>,
    /// Which server is read and how far, for `/api/status`.
    pub source_view: Arc<SourceView>,
}

impl Metrics {
    /// Creates every metric and registers it.
    pub fn register(registry: &mut Registry) -> Self {
        let metrics = Self::new();
        let registry = registry.sub_registry_with_prefix("rowpost");
        metrics.register_source(registry);
        metrics.register_publish(registry);
        metrics.register_traces(registry);
        metrics
    }

    fn new() -> Self {
        Self {
            transactions_read: Counter::default(),
            outbox_rows_read: Counter::default(),
            binlog_bytes_read: Counter::default(),
            source_connected: Gauge::default(),
            source_host: Family::default(),
            failovers: Counter::default(),
            in_flight_bytes: Gauge::default(),
            records_published: Family::default(),
            records_acknowledged: Family::default(),
            batch_records: Histogram::new(exponential_buckets(1.0, 4.0, 8)),
            commit_seconds: Histogram::new(exponential_buckets(0.001, 2.0, 14)),
            replication_lag: SecondsGauge::default(),
            replication_lag_bytes: Gauge::default(),
            checkpoint_timestamp: SecondsGauge::default(),
            branches_prepared: Gauge::default(),
            oldest_branch_timestamp: SecondsGauge::default(),
            retries: Family::default(),
            spans_exported: Counter::default(),
            spans_lost: Counter::default(),
            activity: Arc::new(Activity::start()),
            source_view: Arc::default(),
        }
    }

    /// The source's reader turns to this host.
    pub fn reads_from(&self, host: &str) {
        let Some(before) = self.source_view.reads_from(host) else { return };
        if let Some(before) = before {
            self.source_host.get_or_create(&HostLabel { host: before }).set(0);
            self.failovers.inc();
        }
        self.source_host.get_or_create(&HostLabel { host: host.to_owned() }).set(1);
    }

    fn register_source(&self, registry: &mut Registry) {
        registry.register(
            "transactions_read",
            "Binlog transactions read",
            self.transactions_read.clone(),
        );
        registry.register("outbox_rows_read", "Outbox rows read", self.outbox_rows_read.clone());
        registry.register_with_unit(
            "binlog_read",
            "Bytes of binlog events read",
            Unit::Bytes,
            self.binlog_bytes_read.clone(),
        );
        registry.register(
            "source_connected",
            "1 while the binlog connection stands",
            self.source_connected.clone(),
        );
        registry.register(
            "source_host",
            "1 for the host that is read, 0 for those that were read before",
            self.source_host.clone(),
        );
        registry.register(
            "failovers",
            "How often another host of the source was taken than the one before",
            self.failovers.clone(),
        );
        registry.register_with_unit(
            "in_flight",
            "Bytes of records read and not yet handed to the producer",
            Unit::Bytes,
            self.in_flight_bytes.clone(),
        );
        registry.register_with_unit(
            "replication_lag",
            "Commit on the source to commit in Kafka; 0 once caught up",
            Unit::Seconds,
            self.replication_lag.clone(),
        );
        registry.register(
            "replication_lag_bytes",
            "Bytes of binlog between the committed position and the source's end",
            self.replication_lag_bytes.clone(),
        );
    }

    fn register_publish(&self, registry: &mut Registry) {
        registry.register(
            "records_published",
            "Records handed to the producer",
            self.records_published.clone(),
        );
        registry.register(
            "records_acknowledged",
            "Records in committed Kafka transactions",
            self.records_acknowledged.clone(),
        );
        registry.register(
            "batch_records",
            "Records of one Kafka transaction",
            self.batch_records.clone(),
        );
        registry.register_with_unit(
            "commit",
            "From the first record of a batch to the end of its commit",
            Unit::Seconds,
            self.commit_seconds.clone(),
        );
        registry.register_with_unit(
            "checkpoint_timestamp",
            "Unix time of the last committed checkpoint",
            Unit::Seconds,
            self.checkpoint_timestamp.clone(),
        );
        registry.register(
            "xa_branches_prepared",
            "Prepared XA branches with outbox rows",
            self.branches_prepared.clone(),
        );
        registry.register_with_unit(
            "xa_oldest_branch_timestamp",
            "Unix time at which the oldest prepared XA branch was; 0 without one",
            Unit::Seconds,
            self.oldest_branch_timestamp.clone(),
        );
        registry.register("retries", "Attempts after a failure", self.retries.clone());
    }

    fn register_traces(&self, registry: &mut Registry) {
        registry.register(
            "spans_exported",
            "Spans that the collector has taken",
            self.spans_exported.clone(),
        );
        registry.register(
            "spans_lost",
            "Spans without room in the queue, or not taken by the collector",
            self.spans_lost.clone(),
        );
    }
}
