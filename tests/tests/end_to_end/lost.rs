//! The position is gone, or belongs to another binlog: said before a row is read, and never wrong.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
    time::Duration,
};

use anyhow::{Context, Result};
use rowpost_tests::{MysqlServer, Relay, Setup, needs, relay::RelayConfig};

use crate::{
    case::{Case, Session},
    position_set::{assert_ended, config, named_position, set},
    stack::LONG,
};

/// A server of its own, a relay that has published and ended, a session.
struct Scene<'s> {
    case: Case<'s>,
    session: Session,
    relay: Relay,
    config: RelayConfig,
}

impl<'s> Scene<'s> {
    async fn on(mysql: &'s MysqlServer, name: &str) -> Result<Self> {
        let case = Case::on(mysql, name).await?;
        let mut config = config(&case)?;
        // What comes from the oldest file on is to be seen.
        config.set_text("mysql.start", "latest");
        let mut session = case.session().await?;
        let mut relay = case.relay_with(config.clone()).await?;
        session.insert(2).await?;
        case.records(2).await?;
        relay.terminate(LONG).await?;
        Ok(Self { case, session, relay, config })
    }

    /// The relay starts and halts with 69; its last line says this.
    async fn halts(&mut self, parts: &[&str]) -> Result<()> {
        self.relay.start_again()?;
        let exit = self.relay.wait_exit(LONG).await?;
        let log = self.relay.log_text()?;
        let last = log.lines().rfind(|line| line.contains("ERROR")).context("nothing was said")?;
        assert_eq!(exit.code(), Some(69), "{last}");
        for part in parts {
            assert!(last.contains(part), "`{part}` is missing in: {last}");
        }
        Ok(())
    }

    fn go_on_from_earliest(&mut self) {
        self.go_on_from("earliest");
    }

    fn go_on_from(&mut self, policy: &str) {
        self.relay.config_mut().set_text("mysql.on_position_lost", policy);
    }

    /// Rows that no relay meets in the binlog: they are purged.
    async fn insert_into_a_gap(&mut self) -> Result<()> {
        self.session.insert_in_vain(2).await?;
        self.session.run("flush binary logs").await?;
        let (end, _) = crate::starting::end_of_binlog(self.case.mysql).await?;
        let (file, _) = end.split_once(':').context("coordinates")?;
        self.session.run(format!("purge binary logs to '{file}'")).await
    }

    fn assert_logged(&self, part: &str) -> Result<()> {
        let log = self.relay.log_text()?;
        assert!(log.contains(part), "`{part}` is missing in: {log}");
        Ok(())
    }
}

/// On both of the servers that differ in everything that counts here.
const SETUPS: [Setup; 2] = [Setup::Current, Setup::Reference];

#[tokio::test(flavor = "multi_thread")]
async fn purged_binlog_halts_or_goes_on_with_the_oldest_or_the_tables() -> Result<()> {
    needs!(Setup::Current.tier(), Setup::Reference.tier());
    for setup in SETUPS {
        let mysql = MysqlServer::start(setup).await?;
        let mut scene = Scene::on(&mysql, "purge").await?;
        scene.insert_into_a_gap().await?;
        scene.session.insert(2).await?;

        let missing = match setup {
            Setup::Reference => "the source has purged what the checkpoint needs: bin-log.0",
            Setup::Current | Setup::Mysql80 => "transactions that are not yet published: ",
        };
        scene.halts(&[missing, "`rowpost position set earliest`"]).await?;
        scene.go_on_from_earliest();
        scene.relay.start_again()?;
        scene.case.expect(&mut scene.session).await?;
        scene.assert_logged("going on with the oldest that the source has")?;

        scene.relay.terminate(LONG).await?;
        scene.insert_into_a_gap().await?;
        scene.go_on_from("table");
        scene.relay.start_again()?;
        // Everything that is in the table, both gaps too; their rows stand where they were inserted.
        let published = scene.session.ids.len();
        let all = scene.session.upcoming().checked_sub(1).context("rows were inserted")?;
        scene.session.ids.extend((1..=all).map(Session::id_of));
        scene.case.records(scene.session.ids.len()).await?;
        assert_eq!(all as usize, published + 4, "two gaps of two rows");
        scene.assert_logged("starting from the outbox tables, as mysql.on_position_lost says")?;
        // Once, and then the binlog.
        assert!(scene.relay.terminate(LONG).await?.success());
        scene.relay.start_again()?;
        scene.case.expect(&mut scene.session).await?;
    }
    Ok(())
}

async fn reset(mysql: &MysqlServer) -> Result<()> {
    // A file's age counts in whole seconds.
    tokio::time::sleep(Duration::from_millis(1100)).await;
    mysql
        .exec(match mysql.setup() {
            Setup::Current => "reset binary logs and gtids",
            Setup::Reference | Setup::Mysql80 => "reset master",
        })
        .await
}

/// Also where the binlog has grown past the checkpoint since, with the same names of files and the same
/// GTIDs for other transactions.
#[tokio::test(flavor = "multi_thread")]
async fn binlog_that_was_reset_halts_or_goes_on_with_what_came_since() -> Result<()> {
    needs!(Setup::Current.tier(), Setup::Reference.tier());
    for setup in SETUPS {
        for has_grown in [false, true] {
            // Both begin in the first file, so that the second one has grown past it.
            if has_grown && setup == Setup::Current {
                continue;
            }
            let mysql = MysqlServer::start(setup).await?;
            mysql.exec("create database before_all").await?;
            let mut scene = Scene::on(&mysql, "reset").await?;
            reset(&mysql).await?;
            let rows = if has_grown { 60 } else { 1 };
            for _ in 0..rows {
                scene.session.insert(1).await?;
            }

            scene.halts(&["was begun anew since the checkpoint at bin-log.", "earliest`"]).await?;
            scene.go_on_from_earliest();
            scene.relay.start_again()?;
            scene.case.expect(&mut scene.session).await?;
            scene.assert_logged("going on with the oldest that the source has")?;
        }
    }
    Ok(())
}

/// The folder of a native server's data.
fn data(mysql: &MysqlServer) -> Result<PathBuf> {
    let log = mysql.log().context("this test needs a native server")?;
    let directory = log.parent().context("the log is in a folder")?.to_owned();
    let mut found = fs::read_dir(&directory)?.filter_map(Result::ok).map(|entry| entry.path());
    found
        .find(|path| path.join("auto.cnf").exists())
        .with_context(|| format!("no data in {}", directory.display()))
}

fn copy(from: &Path, to: &Path) -> Result<()> {
    let done = Command::new("cp").args(["-a", "--"]).arg(from).arg(to).status()?;
    anyhow::ensure!(done.success(), "cannot copy {}", from.display());
    Ok(())
}

/// Rows whose ids do not count.
async fn insert_anything(case: &Case<'_>, rows: usize) -> Result<()> {
    for _ in 0..rows {
        let database = &case.database;
        let row = format!(
            "insert into `{database}`.outbox (id, aggregatetype, aggregateid, type, payload) \
             values (uuid(), '{database}', 'k', 't', '1')"
        );
        case.mysql.exec(row).await?;
    }
    Ok(())
}

/// What was published since the backup is in it no more: going on from the oldest would repeat.
#[tokio::test(flavor = "multi_thread")]
async fn restored_backup_halts_whatever_the_policy() -> Result<()> {
    needs!(Setup::Current.tier(), Setup::Reference.tier());
    for setup in SETUPS {
        let mysql = MysqlServer::start(setup).await?;
        let mut scene = Scene::on(&mysql, "restored").await?;
        let data = data(&mysql)?;
        let backup = data.with_extension("backup");
        mysql.stop().await?;
        copy(&data, &backup)?;
        mysql.start_again().await?;
        scene.relay.start_again()?;
        scene.relay.wait_ready(LONG).await;
        insert_anything(&scene.case, 3).await?;
        scene.case.records(5).await?;
        scene.relay.terminate(LONG).await?;
        mysql.stop().await?;
        fs::remove_dir_all(&data)?;
        copy(&backup, &data)?;
        // The file that is begun now is not the one that was begun then.
        tokio::time::sleep(Duration::from_millis(1100)).await;
        mysql.start_again().await?;

        let parts = match setup {
            Setup::Reference => ["restored from a backup", "`rowpost position set`"],
            Setup::Current | Setup::Mysql80 => [
                "lacks transactions that are already published, and does not come closer",
                "latest`",
            ],
        };
        // Which of the two does not count where the server is waited for, and that takes 15 s.
        let policies: &[&str] = match setup {
            Setup::Reference => &["earliest", "table"],
            Setup::Current | Setup::Mysql80 => &["table"],
        };
        for policy in policies {
            scene.go_on_from(policy);
            scene.halts(&parts).await?;
        }
        let said = set(&scene.config, &["latest", "--yes"]).await?;
        assert_ended(&said, 0, &["the position is set"]);
        scene.relay.start_again()?;
        scene.relay.wait_ready(LONG).await;
        insert_anything(&scene.case, 1).await?;
        scene.case.records(6).await?;
    }
    Ok(())
}

/// The same data under another `server_uuid`.
#[tokio::test(flavor = "multi_thread")]
async fn server_with_a_new_uuid_goes_on_by_gtids_and_by_the_named_command_without() -> Result<()> {
    needs!(Setup::Current.tier(), Setup::Reference.tier());
    for setup in SETUPS {
        let mysql = MysqlServer::start(setup).await?;
        let mut scene = Scene::on(&mysql, "new_uuid").await?;
        scene.session.insert(2).await?;
        mysql.stop().await?;
        fs::remove_file(data(&mysql)?.join("auto.cnf"))?;
        mysql.start_again().await?;

        if setup == Setup::Reference {
            scene.halts(&["the checkpoint belongs to server", "auto.cnf"]).await?;
            let position = named_position(&scene.relay)?;
            let said = set(&scene.config, &[&position]).await?;
            assert_ended(&said, 64, &["cannot be compared", "--yes"]);
            assert_ended(&set(&scene.config, &[&position, "--yes"]).await?, 0, &[]);
        }
        scene.relay.start_again()?;
        let records = scene.case.records(4).await?;
        let ids: Vec<&str> = records.iter().map(|record| record.event_id()).collect();
        assert_eq!(ids, scene.session.ids);
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn server_that_does_not_know_the_gtids_is_another_one() -> Result<()> {
    needs!(Setup::Current.tier());
    let mysql = MysqlServer::start(Setup::Current).await?;
    let mut scene = Scene::on(&mysql, "another").await?;
    let other = MysqlServer::shared(Setup::Current).await?;

    scene.relay.config_mut().set_text("mysql.url", other.url());
    scene.go_on_from_earliest();

    scene.halts(&["lacks transactions that are already published, and does not come closer"]).await
}
