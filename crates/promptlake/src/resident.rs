//! The memory of this process, as the system counts it.

/// Resident bytes, now and at most so far.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Resident {
    pub(crate) bytes: u64,
    pub(crate) peak_bytes: u64,
}

impl Resident {
    /// What the system says; `None` where it says nothing, as beyond Linux.
    pub(crate) fn now() -> Option<Self> {
        Self::of_status(&std::fs::read_to_string("/proc/self/status").ok()?)
    }

    fn of_status(status: &str) -> Option<Self> {
        let bytes = |name: &str| {
            let line = status.lines().find_map(|line| line.strip_prefix(name))?;
            let kibibytes: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
            Some(kibibytes * 1024)
        };
        Some(Self { bytes: bytes("VmRSS:")?, peak_bytes: bytes("VmHWM:")? })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_lines_of_the_status_are_read() {
        let status = "Name:\tpromptlake\nVmPeak:\t  900 kB\nVmHWM:\t   300 kB\nVmRSS:\t   200 kB\n";
        let expected = Resident { bytes: 200 * 1024, peak_bytes: 300 * 1024 };
        assert_eq!(Resident::of_status(status), Some(expected));
        assert_eq!(Resident::of_status("VmRSS:\t200 pages"), None);
    }
}
