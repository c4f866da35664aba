//! The sync of a full `current` that waits for the file before it, begun while that one's name is being
//! synced. On a slow disk each file then takes the time of one sync, as with 0.76, which does not sync
//! names.

use crate::write::current::Current;
use nix::errno::Errno;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread;

/// The thread makes one call.
const STACK_BYTES: usize = 64 * 1024;

/// A sync under way.
#[derive(Debug)]
pub struct SyncAhead {
    synced: Receiver<Result<(), Errno>>,
}

impl SyncAhead {
    /// Begins to sync a file that nothing will be written to any more. None where no thread can be
    /// started; then the file is synced when its turn comes.
    pub fn begin(file: &Arc<Current>) -> Option<SyncAhead> {
        let (tell, synced) = sync_channel(1);
        start(tell, Arc::clone(file)).then_some(SyncAhead { synced })
    }

    /// Waits for the end and tells how it went; None if nobody knows.
    pub fn wait(self) -> Option<Result<(), Errno>> {
        self.synced.recv().ok()
    }
}

fn start(tell: SyncSender<Result<(), Errno>>, file: Arc<Current>) -> bool {
    #[cfg(test)]
    let is_model = file.is_model();
    let sync = move || {
        // Whoever asked may have ended.
        let _ = tell.send(file.sync());
    };
    // On the model disk at once, so that every run is the same.
    #[cfg(test)]
    if is_model {
        sync();
        return true;
    }
    thread::Builder::new().stack_size(STACK_BYTES).spawn(sync).is_ok()
}
