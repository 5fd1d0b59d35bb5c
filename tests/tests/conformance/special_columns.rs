//! Columns that are not plain: generated, invisible, hidden behind an index, in the way of others.

use anyhow::{Context, Result, ensure};
use mysql_async::prelude::Queryable;
use rowpost::source::row::JsonStyle;
use rowpost_tests::{
    mysql_server::{MysqlServer, Setup},
    needs,
};

use crate::binlog::{self, Cell};

const DATABASE: &str = "conformance_special";

/// Creates `table` with `columns`, inserts a row with `insert` and checks that each column reads as
/// `SELECT` prints it. Answers whether the binlog alone said all that was needed.
async fn check(setup: Setup, table: &str, columns: &str, insert: &str) -> Result<bool> {
    let server = MysqlServer::shared(setup).await?;
    let mut connection = server.connect().await?;
    for sql in [
        format!("create database if not exists {DATABASE}"),
        format!("use {DATABASE}"),
        "set names utf8mb4, time_zone = '+00:00', sql_mode = ''".to_owned(),
        format!("drop table if exists {table}"),
        format!("create table {table} ({columns}) character set utf8mb4"),
    ] {
        connection.query_drop(&sql).await.context(sql)?;
    }
    let start = binlog::end(&mut connection, setup).await?;
    connection.query_drop(format!("insert into {table} {insert}")).await.context("insert")?;
    let descriptions = binlog::describe(&mut connection, DATABASE, table).await?;
    // Invisible columns are not in `*`.
    let names: Vec<String> =
        descriptions.iter().map(|column| format!("`{}`", column.name)).collect();
    let row: mysql_async::Row = connection
        .query_first(format!("select {} from {table}", names.join(", ")))
        .await?
        .context("the row is there")?;
    connection.disconnect().await?;

    let events = binlog::read(server, &start, DATABASE, table).await?;
    ensure!(events.len() == 1, "one event");
    let alone = events[0].table(None)?.is_described();
    let images = events[0].decode(&events[0].table(Some(&descriptions))?, JsonStyle::Select)?;
    ensure!(images.len() == 1, "one row");
    for ((name, selected), read) in names.iter().zip(row.unwrap()).zip(&images[0].cells) {
        let selected = match selected {
            mysql_async::Value::Bytes(text) => Cell::Text(text),
            _ => Cell::Null,
        };
        ensure!(*read == selected, "{name}: SELECT gives {selected:?}, the binlog {read:?}");
    }
    Ok(alone)
}

#[tokio::test(flavor = "multi_thread")]
async fn generated_columns_are_in_the_row_like_others() -> Result<()> {
    needs!(Setup::Current.tier(), Setup::Reference.tier());
    let columns = "id int primary key, v int as (id + 1) virtual, s varchar(20) as (concat('n', id)) \
                   stored, j json, k varchar(10) as (j ->> '$.k') virtual, z int";
    let insert = "(id, j, z) values (-7, '{\"k\": \"v\"}', 9)";

    ensure!(check(Setup::Current, "with_generated", columns, insert).await?);
    ensure!(!check(Setup::Reference, "with_generated", columns, insert).await?);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn invisible_and_hidden_columns_do_not_shift_others() -> Result<()> {
    needs!(Setup::Current.tier());
    // Without a primary key the server makes an invisible one; each index on an expression has a
    // hidden column.
    let columns = "a int, secret varchar(10) invisible, j json, tags json, z bigint unsigned, \
                   index ((a * 2)), index ((cast(j ->> '$.k' as char(10)))), \
                   index ((cast(tags as unsigned array)))";
    let insert = "(a, secret, j, tags, z) values (-1, 'x', '{\"k\": 1}', '[1, 2]', 3)";

    ensure!(check(Setup::Current, "hidden", columns, insert).await?);
    Ok(())
}

/// Servers differ in whether YEAR has a sign in the binlog; a reader that counts wrongly gives -1 as
/// 4294967295.
#[tokio::test(flavor = "multi_thread")]
async fn year_in_front_of_numbers_does_not_change_their_signs() -> Result<()> {
    needs!(Setup::Current.tier(), Setup::Mysql80.tier(), Setup::Reference.tier());
    let columns = "id int primary key, y year, a int, b bigint unsigned, c int, d tinyint unsigned";
    let insert = "values (-1, 2024, -2, 18446744073709551615, -3, 255)";

    for setup in Setup::ALL {
        check(setup, "years", columns, insert).await.with_context(|| format!("{setup:?}"))?;
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn table_of_very_many_columns_reads_right() -> Result<()> {
    needs!(Setup::Current.tier(), Setup::Reference.tier());
    let columns: Vec<String> = (0..600)
        .map(|index| match index % 3 {
            0 => format!("c{index} int unsigned"),
            1 => format!("c{index} varchar(5)"),
            _ => format!("c{index} mediumint"),
        })
        .collect();
    let values: Vec<String> = (0..600)
        .map(|index| if index % 7 == 0 { "null".to_owned() } else { format!("'{}'", index % 50) })
        .collect();
    let insert = format!("values ({})", values.join(", "));

    for setup in [Setup::Current, Setup::Reference] {
        check(setup, "wide", &columns.join(", "), &insert).await?;
    }
    Ok(())
}

/// information_schema shows what does not fit into utf8mb3 as `?`; a `?` must not be published in
/// its place.
#[tokio::test(flavor = "multi_thread")]
async fn enum_member_that_information_schema_cannot_show_is_refused_without_full_metadata()
-> Result<()> {
    needs!(Setup::Current.tier(), Setup::Reference.tier());
    let columns = "id int primary key, e enum('plain', '😀')";

    check(Setup::Reference, "lossy", columns, "values (1, 'plain')").await?;
    let refused = check(Setup::Reference, "lossy", columns, "values (1, '😀')").await;
    ensure!(check(Setup::Current, "lossy", columns, "values (1, '😀')").await?);

    let message = format!("{:#}", refused.err().context("`?` was published")?);
    ensure!(message.contains("information_schema cannot show"), "{message}");
    Ok(())
}
