//! Follows a single file by name through renames.
//!
//! A program that is told late of a rename goes on writing into the renamed file. The follower
//! therefore leaves that file only when the next file has content, the old file was quiet at a
//! second look, and another five seconds have passed. Files that are renamed meanwhile wait in
//! line, open. The files between the followed file and the name's file are found in the directory
//! by their names and births.

use crate::clock;
use crate::failure::Failure;
use crate::read::Notice;
use crate::read::decode::{Storage, storage};
use crate::read::follow::generations::{Generation, Generations};
use crate::read::follow::{Follower, TRIES_MAX};
use crate::read::list::{LogFile, Role};
use crate::read::snapshot::ListedFile;
use std::fs::{File, Metadata};
use std::os::unix::fs::FileExt;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

/// Time for late writes, after a renamed file was quiet at a second look.
const LATE_WRITES: Duration = Duration::from_secs(5);
/// Time after which a renamed file is left although a program still writes into it.
const BUSY_MAX: Duration = Duration::from_secs(60);
/// Open files in line, from which on a quiet file is left at once.
const HURRY_COUNT: usize = 8;
/// Open files in line.
const LINE_MAX: usize = 16;
/// Bytes compared at two places to recognize a copy.
const COMPARED_LEN: u64 = 64;
/// Least digits of a date within a name, before its extension.
const DATE_DIGITS_MIN: usize = 8;

impl Follower {
    /// Delivers existing lines only: no file is waited for.
    pub fn hurry(&mut self) {
        self.chain.be_patient(Duration::ZERO);
        self.generations.is_hurried = true;
    }

    /// Files found under the followed name since the last call.
    pub fn take_found(&mut self) -> u32 {
        std::mem::take(&mut self.generations.found_count)
    }

    /// Inode of the newest known file of the name.
    pub(super) fn newest_inode(&self) -> Option<u64> {
        let newest = self.generations.line.back().map(|newest| newest.link.file.inode);
        newest.or_else(|| self.last.as_ref().map(|last| last.inode))
    }

    /// Forgets files in line. True if there were any.
    pub(super) fn forget_generations(&mut self) -> bool {
        let had_line = self.generations.line.len() > 1;
        self.generations.line.clear();
        had_line
    }

    /// Looks which file has the name. True if the followed file is complete: reading it to its end
    /// must follow this call.
    pub(super) fn probe_alone(&mut self, last: &Arc<LogFile>) -> Result<bool, Failure> {
        let named = self.directory.file(&last.name, Role::Alone)?;
        if let Some(named) = named.filter(|named| Some(named.inode) != self.newest_inode()) {
            self.find_generations(last, named)?;
        }
        if self.generations.line.len() < 2 {
            return Ok(false);
        }
        self.look_at_generations(last);
        Ok(self.is_complete())
    }

    fn look_at_generations(&mut self, last: &LogFile) {
        let now = clock::instant();
        let line = &mut self.generations.line;
        let mut is_cut = false;
        for number in 0..line.len() {
            let next_len = line.get(number + 1).and_then(|next| next.handle.metadata().ok());
            let has_next_content =
                next_len.is_some_and(|next| next.len() > 0) || number + 2 < line.len();
            // The chain reports a cut of the first file.
            is_cut |= line[number].look(has_next_content, now) && number > 0;
            if number + 1 < line.len() {
                line[number].renamed.get_or_insert(now);
            }
        }
        if is_cut {
            self.notices.push(Notice::Truncated(self.directory.name_of(&last.name)));
        }
    }

    fn is_complete(&mut self) -> bool {
        let Generations { line, is_hurried, .. } = &self.generations;
        let now = clock::instant();
        let since = |time: Option<Instant>| time.map(|time| now.duration_since(time));
        let Some(first) = line.front() else { return false };
        let is_full = line.len() >= HURRY_COUNT;
        if *is_hurried
            || since(first.quiet_since).is_some_and(|quiet| is_full || quiet >= LATE_WRITES)
        {
            return true;
        }
        let has_content = line.get(1).is_some_and(|next| next.len > 0);
        let is_left = has_content && since(first.renamed).is_some_and(|time| time >= BUSY_MAX);
        if is_left {
            // The next lines of its writer are not read.
            self.open_gap();
        }
        is_left
    }

    /// Goes on to the next file in line.
    pub(super) fn go_on_alone(&mut self, last: &LogFile) -> bool {
        if self.generations.line.len() < 2 {
            return false;
        }
        self.generations.line.pop_front();
        let Some(next) = self.generations.line.front() else { return false };
        let link = next.link.clone();
        if self.generations.line.len() == 1 {
            self.generations.line.clear();
        }
        self.notices.push(Notice::Replaced(self.directory.name_of(&last.name)));
        self.push_links(vec![link], 0);
        true
    }

    /// Puts the files in line that had the name since, and the file that has it.
    fn find_generations(&mut self, last: &Arc<LogFile>, named: LogFile) -> Result<(), Failure> {
        if self.generations.line.is_empty() {
            let opened = self.opened.iter().rfind(|link| link.file.inode == last.inode).cloned();
            let link = opened.unwrap_or(ListedFile { file: last.clone(), handle: None });
            let handle = self.chain.handle_of(last).or(link.handle.clone());
            // A file that cannot be read any more has no late lines.
            let Some(handle) = handle else { return self.put_in_line(named) };
            self.generations.line.push_back(Generation::new(link, handle));
        }
        for _ in 0..TRIES_MAX {
            let files = self.siblings(last, &named)?;
            if let Some(again) = self.directory.file(&last.name, Role::Alone)?
                && again.inode == named.inode
                && same_inodes(&files, &self.siblings(last, &named)?)
            {
                for (file, handle) in files {
                    self.put(file, handle);
                }
                return if self.has_room() { self.put_in_line(named) } else { Ok(()) };
            }
            let Some(again) = self.directory.file(&last.name, Role::Alone)? else { return Ok(()) };
            if again.inode != named.inode {
                // Another rename: the next look finds all files.
                return Ok(());
            }
        }
        Ok(())
    }

    fn has_room(&self) -> bool {
        self.generations.line.len() < LINE_MAX
    }

    fn put_in_line(&mut self, named: LogFile) -> Result<(), Failure> {
        if let Some(handle) = self.directory.open_listed(&named)? {
            self.put(named, Arc::new(handle));
        }
        Ok(())
    }

    fn put(&mut self, file: LogFile, handle: Arc<File>) {
        if self.has_room() {
            let link = ListedFile { file: Arc::new(file), handle: Some(handle.clone()) };
            self.generations.line.push_back(Generation::new(link, handle));
            self.generations.found_count += 1;
        }
    }

    /// Files that had the name between the newest file in line and the file that has it now, in
    /// order of birth. Without births none are known, and the count of arrivals shows the loss.
    fn siblings(
        &self,
        last: &LogFile,
        named: &LogFile,
    ) -> Result<Vec<(LogFile, Arc<File>)>, Failure> {
        let newest = self.generations.line.back().and_then(|newest| born(&newest.handle));
        let Some(newest) = newest else { return Ok(Vec::new()) };
        let mut names = Vec::new();
        self.directory.each_name(|name| {
            if is_rotated_name(name, &last.name) {
                names.push(name.to_vec());
            }
        })?;
        let mut files = Vec::new();
        for name in names {
            let Some(file) = self.directory.file(&name, Role::Alone)? else { continue };
            let is_known = |known: &Generation| known.link.file.inode == file.inode;
            let newest_secs = newest.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
            if file.inode == named.inode
                || u64::try_from(file.modified.0).unwrap_or(0) < newest_secs.as_secs()
                || self.generations.line.iter().any(is_known)
            {
                continue;
            }
            let Some(handle) = self.directory.open_listed(&file)?.map(Arc::new) else { continue };
            if let Some(born) = born(&handle).filter(|&born| born >= newest)
                && storage(&handle).is_ok_and(|storage| storage == Storage::Plain)
            {
                files.push((born, file, handle));
            }
        }
        files.sort_by_key(|(born, ..)| *born);
        let mut kept: Vec<(LogFile, Arc<File>)> = Vec::new();
        for (_, file, handle) in files {
            let mut known = self.generations.line.iter().map(|known| &known.handle);
            let mut new = kept.iter().map(|(_, handle)| handle);
            let is_double = kept.iter().any(|(known, _)| known.inode == file.inode);
            if !is_double
                && !known.any(|one| is_copy(one, &handle))
                && !new.any(|one| is_copy(one, &handle))
            {
                let file = LogFile { name: last.name.clone(), ..file };
                kept.push((file, handle));
            }
        }
        Ok(kept)
    }
}

fn born(handle: &File) -> Option<SystemTime> {
    handle.metadata().and_then(|metadata| metadata.created()).ok()
}

fn same_inodes(one: &[(LogFile, Arc<File>)], other: &[(LogFile, Arc<File>)]) -> bool {
    let inode = |(file, _): &(LogFile, Arc<File>)| file.inode;
    one.iter().map(inode).eq(other.iter().map(inode))
}

/// True for a name that rotation gives to `name`: `app.log.1`, `app.log-20261126`,
/// `app-20261126.log`.
fn is_rotated_name(other: &[u8], name: &[u8]) -> bool {
    let is_number = |text: &[u8], digits_min: usize| {
        let digits_count = text.iter().filter(|byte| byte.is_ascii_digit()).count();
        let is_part = |byte: &u8| byte.is_ascii_digit() || b".-_:TZ+".contains(byte);
        text.first().is_some_and(|byte| b".-_".contains(byte))
            && text.iter().all(is_part)
            && digits_count >= digits_min
    };
    if let Some(rest) = other.strip_prefix(name) {
        return is_number(rest, 1);
    }
    let Some(dot) = name.iter().rposition(|&byte| byte == b'.') else { return false };
    let (stem, extension) = name.split_at(dot);
    let rest = other.strip_prefix(stem).and_then(|rest| rest.strip_suffix(extension));
    rest.is_some_and(|rest| is_number(rest, DATE_DIGITS_MIN))
}

/// True if the shorter file is the beginning of the other, as far as its first and last bytes show.
/// Empty files are no copies.
fn is_copy(one: &Arc<File>, other: &Arc<File>) -> bool {
    let len = |file: &File| file.metadata().map_or(0, |metadata: Metadata| metadata.len());
    let shared_len = len(one).min(len(other));
    let piece = shared_len.min(COMPARED_LEN);
    let same_at = |pos: u64| {
        let mut blocks = [[0; COMPARED_LEN as usize]; 2];
        let [first, second] = &mut blocks;
        let piece = piece as usize;
        one.read_exact_at(&mut first[..piece], pos).is_ok()
            && other.read_exact_at(&mut second[..piece], pos).is_ok()
            && first == second
    };
    shared_len > 0 && same_at(0) && same_at(shared_len - piece)
}

#[cfg(test)]
mod tests {
    use super::is_rotated_name;

    #[test]
    fn names_of_rotation_are_recognized() {
        for (other, is_rotated) in [
            ("app.log.1", true),
            ("app.log-20261126", true),
            ("app.log-2026-11-26T21:00:00Z", true),
            ("app-20261126.log", true),
            ("app.log", false),
            ("app.log.err", false),
            ("app.log.1.gz", false),
            ("app-2.log", false),
            ("app.log2", false),
            ("app2.log", false),
            ("other.log.1", false),
        ] {
            assert_eq!(is_rotated_name(other.as_bytes(), b"app.log"), is_rotated, "{other}");
        }
        assert!(is_rotated_name(b"messages-20261126", b"messages"));
    }
}
