//! The one place through which the journal goes to its disk.

/// What the journal is about to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Act {
    /// Opening or creating a file.
    Open,
    /// Committing a row to the tail, or names to a volume.
    Write,
    /// Filing rows into a volume.
    File,
    /// Folding a write-ahead log into its file.
    Fold,
}

/// Asked before every act on the disk. In service it always consents; a test can
/// let a disk fail here, in its own process and at a chosen moment.
pub trait Disk: Send + Sync + std::fmt::Debug {
    /// An error is taken for what SQLite would have said, and nothing is done.
    fn consent(&self, act: Act) -> rusqlite::Result<()>;
}

/// The disk as it is.
#[derive(Clone, Copy, Debug, Default)]
pub struct RealDisk;

impl Disk for RealDisk {
    fn consent(&self, _: Act) -> rusqlite::Result<()> {
        Ok(())
    }
}
