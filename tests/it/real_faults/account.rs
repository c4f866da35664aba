//! What became of the lines.

use std::collections::BTreeSet;
use std::fmt;

/// How much is told of what went wrong.
const DETAILS_MAX: usize = 60;

/// What repetitions of the workload add up to.
#[derive(Debug, Default)]
pub struct Account {
    /// How many really met harm.
    pub tried: usize,
    pub lost: usize,
    pub doubled: usize,
    pub reordered: usize,
    pub hung: usize,
    /// Starts that failed with an error before the first read. All input is left for the next start.
    pub refused: usize,
    /// Processes that ended in another way before the first read, as when the loader gets no memory. All
    /// input is left for the next start.
    pub unstarted: usize,
    /// Processes that read input and then ended although they should have gone on.
    pub died: usize,
    /// Files that could not be synced and are said to be whole, status files that do not tell the
    /// last line.
    pub untrue: usize,
    details: Vec<String>,
}

/// The lines of one directory, by number.
pub struct Lines {
    /// Those that have to be there.
    pub required: Vec<u64>,
    /// Those that may be there: all of the former among them.
    pub allowed: Vec<u64>,
    pub found: Vec<u64>,
}

impl Account {
    pub fn add(&mut self, other: Account) {
        self.tried += other.tried;
        self.lost += other.lost;
        self.doubled += other.doubled;
        self.reordered += other.reordered;
        self.hung += other.hung;
        self.refused += other.refused;
        self.unstarted += other.unstarted;
        self.died += other.died;
        self.untrue += other.untrue;
        self.details.extend(other.details);
    }

    pub fn is_clean(&self) -> bool {
        self.lost + self.doubled + self.reordered + self.hung + self.died + self.untrue == 0
    }

    pub fn details(&self) -> String {
        self.details.iter().take(DETAILS_MAX).map(|detail| format!("\n{detail}")).collect()
    }

    pub fn hang(&mut self, about: &str) {
        self.hung += 1;
        self.details.push(format!("hung: {about}"));
    }

    pub fn death(&mut self, how: &str, about: &str) {
        self.died += 1;
        self.details.push(format!("{how}: {about}"));
    }

    pub fn untruth(&mut self, what: &str, about: &str) {
        self.untrue += 1;
        self.details.push(format!("{what}: {about}"));
    }

    /// Takes the lines of a directory into the account.
    pub fn compare(&mut self, dir: &str, lines: &Lines, about: &str) {
        let unique: BTreeSet<u64> = lines.found.iter().copied().collect();
        let missing = lines.required.iter().filter(|line| !unique.contains(line)).count();
        let unexpected = unique.iter().filter(|line| !lines.allowed.contains(line)).count();
        let doubled = lines.found.len() - unique.len();
        let reordered = lines.found.windows(2).filter(|pair| pair[0] > pair[1]).count();
        if missing + unexpected + doubled + reordered > 0 {
            self.details.push(format!(
                "{dir}: {missing} missing, {doubled} doubled, {reordered} reordered, {unexpected} \
                 unexpected of {}: {about}",
                lines.required.len()
            ));
        }
        self.lost += missing;
        // What nobody should have been able to read was read twice.
        self.doubled += doubled + unexpected;
        self.reordered += reordered;
    }
}

impl fmt::Display for Account {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Account {
            tried, lost, doubled, reordered, hung, refused, unstarted, died, untrue, ..
        } = self;
        write!(
            f,
            "{tried} tried; lines lost {lost}, duplicated {doubled}, reordered {reordered}; \
             hung {hung}, refused at the start {refused}, died before the first read {unstarted}, after it {died}; \
             untrue {untrue}"
        )
    }
}
