//! In unit tests on the model disk: what the thread would do, one step a call, so that every run is the
//! same.

use super::{Finisher, Work, take_up};
use crate::clock;
use crate::event::{Event, Work as Resumed};
use crate::failure::{Failure, What};
use crate::pause::Trouble;
use crate::write::finish::{Finishing, Step};
use crate::write::keeper;
use crate::write::locked_dir::LockedDir;
use std::sync::Arc;
use std::time::Instant;

/// What the thread would hold.
#[derive(Debug)]
pub struct ByHand {
    place: Arc<LockedDir>,
    finishing: Option<Finishing>,
    trouble: Trouble,
    rests_until: Option<Instant>,
    removed_for_room: u64,
}

impl Finisher {
    pub fn prepare_by_hand(&mut self, place: &Arc<LockedDir>) -> Result<(), Failure> {
        if self.by_hand.is_none() {
            let started = place.dir.start_thread();
            started.map_err(|errno| place.failure_here(What::Thread, errno))?;
            self.by_hand = Some(ByHand {
                place: Arc::clone(place),
                finishing: None,
                trouble: Trouble::default(),
                rests_until: None,
                removed_for_room: 0,
            });
        }
        Ok(())
    }

    /// Does one step. False if there is nothing to do, or not before the pause is over.
    pub fn advance(&mut self) -> bool {
        let is_waiting = matches!(*self.shared.lock(), Work::Waiting(_));
        let Some(by_hand) = &mut self.by_hand else { return false };
        if is_waiting {
            by_hand.finishing = take_up(&self.shared);
        }
        let Some(finishing) = &mut by_hand.finishing else { return false };
        let is_stopped = by_hand.place.processors.are_stopped();
        let is_needless = is_stopped && finishing.step() == Step::RunProcessor;
        if !is_needless && by_hand.rests_until.is_some_and(|until| clock::instant() < until) {
            return false;
        }
        let work = match finishing.advance(&by_hand.place) {
            Ok(()) if finishing.step() == Step::Done => {
                by_hand.finishing = None;
                let place = &by_hand.place;
                by_hand.trouble.report_end(Resumed::Finishing, place.name(), place.reporter());
                Work::Idle
            }
            Ok(()) => Work::Running,
            Err(failure)
                if failure.is_of_full_disk()
                    && keeper::has_made_room(&by_hand.place, &mut by_hand.removed_for_room) =>
            {
                Work::Running
            }
            Err(failure) => {
                by_hand.place.report(&Event::Pausing(failure));
                by_hand.trouble.begin();
                by_hand.rests_until = Some(clock::instant() + by_hand.place.spec.pause);
                match finishing.step() {
                    Step::RunProcessor => Work::Running,
                    _ => Work::Pausing,
                }
            }
        };
        self.shared.set(work);
        true
    }
}
