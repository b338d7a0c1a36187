//! A session with SQLite through rusqlite: a file database in WAL mode, tables, joins, transactions,
//! a function written in Rust, and two connections at once.

use std::path::Path;
use std::process::ExitCode;

use rusqlite::functions::FunctionFlags;
use rusqlite::{Connection, params};

fn main() -> ExitCode {
    let Some(path) = std::env::args().nth(1) else {
        eprintln!("usage: sqlite DATABASE");
        return ExitCode::from(2);
    };
    match session(Path::new(&path)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(why) => {
            eprintln!("sqlite: {why}");
            ExitCode::FAILURE
        }
    }
}

fn session(path: &Path) -> rusqlite::Result<()> {
    println!("SQLite {}", rusqlite::version());
    let mut db = Connection::open(path)?;
    let mode: String = db.query_row("PRAGMA journal_mode = WAL", [], |row| row.get(0))?;
    println!("journal mode {mode}");
    db.execute_batch(
        "CREATE TABLE author (id INTEGER PRIMARY KEY, name TEXT NOT NULL);
         CREATE TABLE book (id INTEGER PRIMARY KEY, author INTEGER REFERENCES author, pages INTEGER);
         CREATE INDEX book_author ON book(author);",
    )?;

    let tx = db.transaction()?;
    for id in 0..50 {
        tx.execute(
            "INSERT INTO author VALUES (?1, ?2)",
            params![id, format!("author {id}")],
        )?;
    }
    {
        let mut insert = tx.prepare("INSERT INTO book (author, pages) VALUES (?1, ?2)")?;
        for n in 0..2000 {
            insert.execute(params![n % 50, 100 + (n * 37) % 400])?;
        }
    }
    tx.commit()?;

    let tx = db.transaction()?;
    tx.execute("DELETE FROM book", [])?;
    drop(tx); // rolled back

    add_function(&db)?;
    let other = Connection::open(path)?;
    let mut query = other.prepare(
        "SELECT name, count(*), sum(pages) FROM author JOIN book ON book.author = author.id
         GROUP BY author.id ORDER BY sum(pages) DESC, name LIMIT 5",
    )?;
    let rows = query.query_map([], |row| {
        Ok((
            row.get::<_, String>(0)?,
            row.get::<_, u32>(1)?,
            row.get::<_, u32>(2)?,
        ))
    })?;
    for row in rows {
        let (name, books, pages) = row?;
        println!("{name}: {books} books, {pages} pages");
    }
    let reversed: String = db.query_row("SELECT reversed('muslin')", [], |row| row.get(0))?;
    println!("a function in Rust: {reversed}");
    let wrong = db.execute("INSERT INTO author VALUES (0, 'again')", []);
    println!("twice the same key: {}", wrong.is_err());
    let check: String = db.query_row("PRAGMA integrity_check", [], |row| row.get(0))?;
    println!("integrity {check}");
    Ok(())
}

fn add_function(db: &Connection) -> rusqlite::Result<()> {
    db.create_scalar_function(
        "reversed",
        1,
        FunctionFlags::SQLITE_UTF8 | FunctionFlags::SQLITE_DETERMINISTIC,
        |context| Ok(context.get::<String>(0)?.chars().rev().collect::<String>()),
    )
}
