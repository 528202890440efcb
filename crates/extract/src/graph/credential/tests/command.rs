#![cfg(unix)]

use secrecy::ExposeSecret;

use crate::graph::credential::SecretCommand;

async fn said(line: &str) -> String {
    match SecretCommand::new(line).run().await {
        Ok(printed) => format!("printed {:?}", printed.expose_secret()),
        Err(error) => crate::graph::body::describe(&error),
    }
}

#[tokio::test]
async fn what_a_command_prints_is_trimmed_or_refused() {
    let run = "run the command of source.credential";
    let use_it = "use what the command of source.credential printed, which";
    for (line, expected) in [
        ("printf ' s3cret\\n'", r#"printed "s3cret""#.to_owned()),
        ("printf 'a b' && printf warning >&2", r#"printed "a b""#.to_owned()),
        ("cat; printf end", r#"printed "end""#.to_owned()),
        ("true", format!("{use_it} is nothing")),
        ("printf '\\377\\376'", format!("{use_it} is no text")),
        ("head -c 300000 /dev/zero | tr '\\0' x", format!("{use_it} is longer than 256 KiB")),
        ("printf s3cret; exit 3", format!("{run}, which ended with exit code 3")),
        (
            "printf s3cret; printf 'log in first\\nplease' >&2; exit 1",
            format!("{run}, which ended with exit code 1: log in first please"),
        ),
        ("kill -9 $$", format!("{run}, which ended with a signal")),
    ] {
        assert_eq!(said(line).await, expected, "{line}");
    }
    let missing = said("no-such-command-of-promptlake").await;
    assert!(missing.starts_with(&format!("{run}, which ended with exit code 127: ")), "{missing}");
}

/// A command that fills its standard error while nobody reads it would never end.
#[tokio::test]
async fn a_command_may_say_much() {
    assert_eq!(said("head -c 300000 /dev/zero >&2; printf t").await, r#"printed "t""#);
}

#[tokio::test]
async fn a_command_that_does_not_end_is_killed() {
    let folder = tempfile::tempdir().unwrap();
    let mark = folder.path().join("pid");
    let line = format!("echo $$ > {0}.new && mv {0}.new {0} && exec sleep 1000", mark.display());
    let command = SecretCommand::new(&line);
    let mut run = Box::pin(command.run());
    while !mark.exists() {
        // Real time until it runs; then the clock jumps over its minute.
        let beat = std::time::Duration::from_millis(5);
        assert!(tokio::time::timeout(beat, &mut run).await.is_err(), "it ended");
    }
    tokio::time::pause();
    let error = run.await.unwrap_err();
    assert_eq!(error.to_string(), "run the command of source.credential within 60 s");
    tokio::time::resume();
    let process = format!("/proc/{}", std::fs::read_to_string(&mark).unwrap().trim());
    while std::fs::read_to_string(format!("{process}/stat")).is_ok_and(|stat| !stat.contains(") Z ")) {
        tokio::time::sleep(std::time::Duration::from_millis(5)).await;
    }
}

#[test]
fn a_command_is_not_shown() {
    assert_eq!(format!("{:?}", SecretCommand::new("echo s3cret")), "SecretCommand(…)");
}
