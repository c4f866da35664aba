//! In unit tests on the model disk: what the thread would do, one step a call, so that every run is the
//! same.

use super::{Finisher, Work, take_up};
use crate::diag::{self, Failure, What};
use crate::logdir::archives::Archives;
use crate::logdir::finish::{Finishing, Step};
use crate::logdir::place::Place;
use std::sync::Arc;

/// What the thread would hold.
#[derive(Debug)]
pub struct ByHand {
    place: Arc<Place>,
    archives: Archives,
    finishing: Option<Finishing>,
}

impl Finisher {
    pub fn prepare_by_hand(&mut self, place: &Arc<Place>) -> Result<(), Failure> {
        if self.by_hand.is_none() {
            let started = place.dir.start_thread();
            started.map_err(|errno| place.failure_here(What::Thread, errno))?;
            let place = Arc::clone(place);
            self.by_hand = Some(ByHand { place, archives: Archives::default(), finishing: None });
        }
        Ok(())
    }

    /// Does one step; the pause after one that failed is the caller's. False if there is nothing to
    /// do.
    pub fn advance(&mut self) -> bool {
        let is_waiting = matches!(*self.shared.lock(), Work::Waiting(_));
        let Some(by_hand) = &mut self.by_hand else { return false };
        if is_waiting {
            by_hand.finishing = take_up(&self.shared);
        }
        let Some(finishing) = &mut by_hand.finishing else { return false };
        let work = match finishing.advance(&by_hand.place, &mut by_hand.archives) {
            Ok(()) if finishing.step() == Step::Done => {
                by_hand.finishing = None;
                Work::Idle
            }
            Ok(()) => Work::Running,
            Err(failure) => {
                diag::pausing(&failure);
                Work::Pausing
            }
        };
        self.shared.set(work);
        true
    }
}
