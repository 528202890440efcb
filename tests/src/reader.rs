//! Somebody who reads the lake all the time, and knows nothing but its globs.

use std::io::Read;
use std::process::{Child, Command, Stdio};

use crate::duckdb::python;

/// Globs in a loop until its input ends, then says how often it looked and what was wrong.
const SCRIPT: &str = "\
import duckdb, sys, threading, time
prelude, lake = sys.argv[1:]
connection = duckdb.connect()
connection.execute('SET enable_progress_bar = false')
connection.execute(prelude)
ended = threading.Event()
threading.Thread(target=lambda: (sys.stdin.read(), ended.set()), daemon=True).start()
keys = {'interactions': '0', 'raw': '0', 'links': 'link_ordinal', 'attachments': 'attachment_ordinal'}
looks = 0
while True:
    last = ended.is_set()
    for table, ordinal in keys.items():
        try:
            rows, distinct = connection.execute(
                f\"SELECT count(*), count(DISTINCT (record_id, {ordinal})) FROM '{lake}/{table}/**/*.parquet'\"
            ).fetchone()
        except duckdb.Error as error:
            if 'No files found' in str(error):
                continue
            print('unreadable:', table, str(error)[:500])
            sys.exit(0)
        looks += 1
        if rows != distinct:
            print('twice:', table, rows, distinct)
            sys.exit(0)
    if last:
        print('looked', looks)
        sys.exit(0)
    time.sleep(0.02)
";

/// A process that reads until it is asked what it saw.
#[derive(Debug)]
pub struct Reader {
    process: Child,
}

impl Reader {
    /// Starts reading. `prelude` is what DuckDB needs before it can read `lake`.
    #[must_use]
    pub fn start(prelude: &str, lake: &str) -> Self {
        let mut command = Command::new(python());
        command.args(["-c", SCRIPT, prelude, lake]).stdin(Stdio::piped()).stdout(Stdio::piped());
        Self { process: command.spawn().expect("start python") }
    }

    /// Looks once more, and fails where it ever saw a row twice or a file that it could not read.
    pub fn assert_saw_no_row_twice(mut self) {
        drop(self.process.stdin.take());
        let mut said = String::new();
        let mut output = self.process.stdout.take().expect("it is piped");
        output.read_to_string(&mut said).expect("read what it says");
        assert!(self.process.wait().expect("wait for python").success(), "{said}");
        assert!(said.starts_with("looked "), "a reader saw {said}");
        assert_ne!(said.trim(), "looked 0", "it never read anything");
    }
}
