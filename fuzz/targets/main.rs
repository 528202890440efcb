//! What promptlake reads of others: cards, bodies, pages, instants, and whatever Graph answers.
//!
//! Each target is a law that holds for any bytes. As an ordinary test it meets its corpus, and a fixed number of variations
//! of each entry, the same in every run. `cargo xtask fuzz` lets libFuzzer go on from there, led by the code that an input
//! reaches; what breaks a law is kept below `crashes/`, where the ordinary test meets it from then on.

#[cfg(test)]
mod answers;
#[cfg(test)]
mod body;
#[cfg(test)]
mod card;
#[cfg(test)]
mod page;
#[cfg(test)]
mod rows;
#[cfg(test)]
mod timestamp;
#[cfg(all(test, not(fuzzing)))]
mod variations;

/// A test by the name of its corpus.
macro_rules! target {
    ($name:ident, $variations:literal) => {
        #[test]
        fn $name() {
            #[cfg(fuzzing)]
            bolero::check!().for_each(crate::$name::law);
            #[cfg(not(fuzzing))]
            crate::ordinary::meets_its_corpus(stringify!($name), $variations, crate::$name::law);
        }
    };
}

// So many variations of each entry as take about a second.
target!(answers, 300);
target!(body, 100);
target!(card, 400);
target!(page, 250);
target!(timestamp, 5_000);

#[cfg(all(test, not(fuzzing)))]
mod ordinary {
    use std::path::Path;

    use crate::variations::Variations;

    /// The seed of all variations.
    const SEED: u64 = 7;

    /// Shows the input that a law was broken with.
    struct Met<'a>(&'a [u8]);

    impl Drop for Met<'_> {
        fn drop(&mut self) {
            if std::thread::panicking() {
                eprintln!("the input:\n{}", self.0.escape_ascii());
            }
        }
    }

    pub(crate) fn meets_its_corpus(name: &str, variations: usize, law: impl Fn(&[u8])) {
        let entries = [entries("corpus", name), entries("crashes", name)].concat();
        assert!(entries.len() > 4, "{name} has lost its corpus");
        let meet = |input: &[u8]| {
            let _met = Met(input);
            law(input);
        };
        let mut chance = Variations::seeded(SEED);
        for (at, entry) in entries.iter().enumerate() {
            meet(entry);
            for variation in 0..variations {
                meet(&chance.of(entry, &entries[(at + variation) % entries.len()]));
            }
        }
    }

    /// The inputs in a folder, in the order of their names; none where there is no such folder.
    fn entries(folder: &str, name: &str) -> Vec<Vec<u8>> {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join(folder).join(name);
        let Ok(files) = std::fs::read_dir(folder) else { return Vec::new() };
        let mut paths: Vec<_> = files.map(|file| file.expect("a folder lists its files").path()).collect();
        paths.sort();
        paths.into_iter().map(|path| std::fs::read(path).expect("an entry can be read")).collect()
    }
}
