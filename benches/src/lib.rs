//! Benchmarks of promptlake: `cargo bench -p promptlake-benches`.
