//! What a disk holds when the power goes: a log of system calls, and of it what was synced.
//!
//! The program runs under `strace`, and with a library before it that keeps a second name for every file it deletes, so
//! that the bytes of all of them are there afterwards. Each moment of the log is then a disk: an entry of a directory is
//! on it once the directory was synced, and the bytes of a file once the file was. What was not synced may be lost or
//! there, so two disks are made: one without anything that was not synced, where a name whose removal was not synced
//! comes back; and one with every name, and no bytes in files that were not synced.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::process::Command;

/// System calls that change a file or directory, or make a change durable.
const TRACED: &str = "openat,write,pwrite64,writev,fsync,fdatasync,rename,renameat,renameat2,link,linkat,unlink,\
                      unlinkat,rmdir,mkdir,mkdirat";

const KEEP_DELETED: &str = include_str!("keep_deleted.c");

/// A program that is watched: its log, and the files that it deleted.
#[derive(Debug)]
pub struct Watched {
    folder: PathBuf,
}

impl Watched {
    /// Keeps logs and deleted files in a folder of their own, on the same file system as the lake.
    #[must_use]
    pub fn in_folder(folder: &Path) -> Self {
        std::fs::create_dir_all(folder.join("deleted")).expect("make a folder");
        let (source, library) = (folder.join("keep_deleted.c"), folder.join("keep_deleted.so"));
        std::fs::write(&source, KEEP_DELETED).expect("write a file");
        let mut compile = Command::new("cc");
        compile.args(["-shared", "-fPIC", "-O1", "-o"]).args([&library, &source]);
        assert!(compile.status().expect("start the C compiler").success(), "{compile:?}");
        Self { folder: folder.to_owned() }
    }

    /// The same command, watched.
    #[must_use]
    pub fn command(&self, command: &Command) -> Command {
        let mut traced = Command::new("strace");
        traced.args(["-ff", "-y", "-ttt", "-T", "-s", "1", "-e", &format!("trace={TRACED}"), "-o"]);
        traced.arg(self.folder.join("log"));
        traced.arg("-E").arg(format!("LD_PRELOAD={}", self.folder.join("keep_deleted.so").display()));
        traced.arg("-E").arg(format!("GRAVEYARD={}", self.deleted().display()));
        traced.arg(command.get_program()).args(command.get_args());
        for (name, value) in command.get_envs() {
            match value {
                Some(value) => traced.env(name, value),
                None => traced.env_remove(name),
            };
        }
        traced
    }

    fn deleted(&self) -> PathBuf {
        self.folder.join("deleted")
    }

    /// What happened below `lake`.
    #[must_use]
    pub fn history(&self, lake: &Path) -> History {
        let mut timed = Vec::new();
        for entry in std::fs::read_dir(&self.folder).expect("read the folder of logs").flatten() {
            if entry.file_name().to_string_lossy().starts_with("log.") {
                let text = std::fs::read_to_string(entry.path()).expect("read a log");
                timed.extend(text.lines().filter_map(parse));
            }
        }
        timed.sort_by(|a, b| a.0.total_cmp(&b.0));
        let deleted = self.deleted();
        let ours = |change: &Change| change.path().starts_with(lake) || change.path().starts_with(&deleted);
        let changes = timed.into_iter().map(|(_, change)| change).filter(ours).collect();
        History { lake: lake.to_owned(), changes }
    }
}

/// Something that happened to a file or directory.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Change {
    MakeFile(PathBuf),
    MakeFolder(PathBuf),
    Write(PathBuf),
    Sync(PathBuf),
    Rename(PathBuf, PathBuf),
    Link(PathBuf, PathBuf),
    Remove(PathBuf),
}

impl Change {
    /// Where it happened: of two names, the new one.
    fn path(&self) -> &Path {
        match self {
            Self::Rename(_, path)
            | Self::Link(_, path)
            | Self::MakeFile(path)
            | Self::MakeFolder(path)
            | Self::Write(path)
            | Self::Sync(path)
            | Self::Remove(path) => path,
        }
    }
}

/// What is on a disk of what was not synced.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unsynced {
    /// Neither names nor bytes.
    Nothing,
    /// Names without bytes.
    Names,
}

/// All that happened below a folder, in the order in which it was done.
#[derive(Debug)]
pub struct History {
    lake: PathBuf,
    changes: Vec<Change>,
}

impl History {
    /// The moments right after something got, lost or changed its name: numbers for [`Self::disk_after`].
    #[must_use]
    pub fn moments(&self) -> Vec<usize> {
        let names =
            |change: &Change| !matches!(change, Change::Write(_) | Change::Sync(_) | Change::MakeFile(_));
        (0..self.changes.len()).filter(|number| names(&self.changes[*number])).collect()
    }

    /// What happened at a moment, to be read by a person.
    #[must_use]
    pub fn name(&self, moment: usize) -> String {
        format!("{:?}", self.changes[moment])
    }

    /// Makes `target` what the disk held after a moment, with bytes from what is left of the folder itself.
    pub fn disk_after(&self, moment: usize, unsynced: Unsynced, target: &Path) {
        let mut disk = Disk::new(&self.lake);
        for change in &self.changes[..=moment] {
            disk.apply(change);
        }
        let bytes_at = self.places();
        for (path, file) in disk.left(unsynced) {
            let to = target.join(path.strip_prefix(&self.lake).expect("it lies below the folder"));
            match file {
                None => std::fs::create_dir_all(&to).expect("make a folder"),
                Some((number, whole)) => {
                    std::fs::create_dir_all(to.parent().expect("it lies in a folder"))
                        .expect("make a folder");
                    let bytes = if whole {
                        let from = &bytes_at[&number];
                        std::fs::read(from).unwrap_or_else(|error| panic!("{}: {error}", from.display()))
                    } else {
                        Vec::new()
                    };
                    std::fs::write(&to, bytes).expect("write a file");
                }
            }
        }
    }

    /// Where the bytes of each file lie when all is over: in the lake, or among the deleted.
    fn places(&self) -> BTreeMap<usize, PathBuf> {
        let mut disk = Disk::new(&self.lake);
        for change in &self.changes {
            disk.apply(change);
        }
        let files = disk.now.into_iter().filter_map(|(path, entry)| match entry {
            Entry::File(number) => Some((number, path)),
            Entry::Folder => None,
        });
        files.collect()
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Entry {
    Folder,
    /// A file, by a number that it keeps when it is renamed.
    File(usize),
}

/// Names as programs see them and as the disk has them, of the lake and of what was deleted.
#[derive(Debug)]
struct Disk {
    root: PathBuf,
    now: BTreeMap<PathBuf, Entry>,
    synced: BTreeMap<PathBuf, Entry>,
    /// Files whose bytes are all on the disk.
    whole: BTreeSet<usize>,
    files: usize,
}

impl Disk {
    fn new(folder: &Path) -> Self {
        let root = BTreeMap::from([(folder.to_owned(), Entry::Folder)]);
        Self { root: folder.to_owned(), now: root.clone(), synced: root, whole: BTreeSet::new(), files: 0 }
    }

    fn apply(&mut self, change: &Change) {
        match change {
            Change::MakeFile(path) => {
                if !self.now.contains_key(path) {
                    self.files += 1;
                    self.now.insert(path.clone(), Entry::File(self.files));
                }
            }
            Change::MakeFolder(path) => {
                self.now.entry(path.clone()).or_insert(Entry::Folder);
            }
            Change::Write(path) => {
                if let Some(Entry::File(number)) = self.now.get(path) {
                    self.whole.remove(number);
                }
            }
            Change::Sync(path) => self.sync(path),
            Change::Rename(from, to) => {
                if let Some(entry) = self.now.remove(from) {
                    self.now.insert(to.clone(), entry);
                }
            }
            Change::Link(from, to) => {
                if let Some(entry) = self.now.get(from).copied() {
                    self.now.insert(to.clone(), entry);
                }
            }
            Change::Remove(path) => {
                self.now.remove(path);
            }
        }
    }

    fn sync(&mut self, path: &Path) {
        match self.now.get(path) {
            Some(Entry::File(number)) => {
                self.whole.insert(*number);
            }
            Some(Entry::Folder) => {
                self.synced.retain(|known, _| known.parent() != Some(path));
                let entries = self.now.iter().filter(|(known, _)| known.parent() == Some(path));
                self.synced.extend(entries.map(|(known, entry)| (known.clone(), *entry)));
            }
            None => {}
        }
    }

    /// What is on the disk: folders, and files with whether their bytes are.
    fn left(&self, unsynced: Unsynced) -> Vec<(&Path, Option<(usize, bool)>)> {
        let names = if unsynced == Unsynced::Names { &self.now } else { &self.synced };
        let in_root = |above: &&Path| above.starts_with(&self.root);
        let reached = |path: &Path| {
            in_root(&path) && path.ancestors().take_while(in_root).all(|above| names.contains_key(above))
        };
        let entries = names.iter().filter(|(path, _)| reached(path));
        entries
            .map(|(path, entry)| match entry {
                Entry::Folder => (path.as_path(), None),
                Entry::File(number) => (path.as_path(), Some((*number, self.whole.contains(number)))),
            })
            .collect()
    }
}

/// A line of a log: when the call had ended, and what it did. `None` for what failed or changes nothing.
fn parse(line: &str) -> Option<(f64, Change)> {
    let (began, rest) = line.split_once(' ')?;
    let (call, took) = rest.rsplit_once(" <")?;
    let ended = began.parse::<f64>().ok()? + took.strip_suffix('>')?.parse::<f64>().ok()?;
    let (call, answer) = call.rsplit_once(" = ")?;
    if answer.starts_with('-') {
        return None;
    }
    let (name, arguments) = call.split_once('(')?;
    let quoted: Vec<PathBuf> = arguments.split('"').skip(1).step_by(2).map(PathBuf::from).collect();
    // `-y` says which file a descriptor stands for.
    let of_descriptor = || {
        let (_, rest) = arguments.split_once('<')?;
        Some(PathBuf::from(rest.split_once('>')?.0))
    };
    let change = match name {
        "openat" if arguments.contains("O_CREAT") => Change::MakeFile(quoted.first()?.clone()),
        "mkdir" | "mkdirat" => Change::MakeFolder(quoted.first()?.clone()),
        "write" | "pwrite64" | "writev" => Change::Write(of_descriptor()?),
        "fsync" | "fdatasync" => Change::Sync(of_descriptor()?),
        "rename" | "renameat" | "renameat2" => {
            Change::Rename(quoted.first()?.clone(), quoted.get(1)?.clone())
        }
        "link" | "linkat" => Change::Link(quoted.first()?.clone(), quoted.get(1)?.clone()),
        // Below an open folder, as a recursive removal does it.
        "unlinkat" if !quoted.first()?.is_absolute() => {
            Change::Remove(of_descriptor()?.join(quoted.first()?))
        }
        "unlink" | "rmdir" | "unlinkat" => Change::Remove(quoted.first()?.clone()),
        _ => return None,
    };
    Some((ended, change))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_of_a_log() {
        let parsed = |line: &str| parse(line).map(|(_, change)| change);
        for (line, expected) in [
            (
                r#"1.5 openat(AT_FDCWD</w>, "/l/a#1", O_WRONLY|O_CREAT|O_EXCL, 0666) = 9</l/a#1> <0.000050>"#,
                Some(Change::MakeFile("/l/a#1".into())),
            ),
            (r#"1.5 openat(AT_FDCWD</w>, "/l/a", O_RDONLY) = 9</l/a> <0.000050>"#, None),
            (r#"1.5 write(9</l/a#1>, "x"..., 7) = 7 <0.000050>"#, Some(Change::Write("/l/a#1".into()))),
            (r"1.5 fsync(9</l>) = 0 <0.000050>", Some(Change::Sync("/l".into()))),
            (
                r#"1.5 linkat(AT_FDCWD</w>, "/l/a#1", AT_FDCWD</w>, "/l/a", 0) = 0 <0.000050>"#,
                Some(Change::Link("/l/a#1".into(), "/l/a".into())),
            ),
            (r#"1.5 link("/l/a#1", "/l/a") = -1 EEXIST (File exists) <0.000050>"#, None),
            (r#"1.5 unlink("/l/a#1") = 0 (INJECTED) <0.000050>"#, Some(Change::Remove("/l/a#1".into()))),
        ] {
            assert_eq!(parsed(line), expected, "{line}");
        }
    }

    #[test]
    fn a_disk_holds_what_was_synced() {
        let changes = [
            Change::MakeFile("/l/a#1".into()),
            Change::Write("/l/a#1".into()),
            Change::Link("/l/a#1".into(), "/l/a".into()),
            Change::Sync("/l".into()),
            Change::Sync("/l/a".into()),
            Change::Remove("/l/a#1".into()),
        ];
        let mut disk = Disk::new(Path::new("/l"));
        let (mut held, mut named) = (Vec::new(), Vec::new());
        let files = |disk: &Disk, unsynced| {
            let files = disk.left(unsynced).into_iter();
            files.filter_map(|(path, file)| Some((path.to_owned(), file?.1))).collect::<Vec<_>>()
        };
        for change in &changes {
            disk.apply(change);
            held.push(files(&disk, Unsynced::Nothing));
            named.push(files(&disk, Unsynced::Names));
        }
        let a = |whole| (PathBuf::from("/l/a"), whole);
        let staged = |whole| (PathBuf::from("/l/a#1"), whole);
        let both = |whole| vec![a(whole), staged(whole)];
        assert_eq!(held, [vec![], vec![], vec![], both(false), both(true), both(true)]);
        let (first, last) = (vec![staged(false)], vec![a(true)]);
        assert_eq!(named, [first.clone(), first, both(false), both(false), both(true), last]);
    }
}
