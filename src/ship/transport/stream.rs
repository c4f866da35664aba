//! Syslog over TCP or TLS. The protocol has no answer; how far the kernel of the peer has got is the most that can be
//! known, and is asked.

use super::super::target;
use super::channel::Channel;
use super::{Broken, FDS_MAX, OUTPUT_LEN_MAX, Outcome, Transport, append_framed, would_wait};
use crate::poll::Interest;
use ::logdir::failure::reason;
use std::collections::VecDeque;
use std::os::fd::BorrowedFd;
use std::time::{Duration, Instant};

/// How often the kernel is asked what the peer has confirmed, while something is not.
const LOOK_AGAIN: Duration = Duration::from_millis(20);
/// Messages that may be on their way.
const UNCONFIRMED_MAX: usize = 100_000;

/// One connection.
#[derive(Debug)]
pub struct Stream {
    channel: Channel,
    settings: target::Stream,
    output: Vec<u8>,
    /// Bytes of `output` that are written.
    written: usize,
    /// Bytes that were ever put into `output`.
    put_total: u64,
    /// Messages the peer's kernel has not confirmed: id, and where in the stream it ends.
    unconfirmed: VecDeque<(u64, u64)>,
    /// Messages that it has, which wait for `rewind` to pass: id, and since when.
    confirmed: VecDeque<(u64, Instant)>,
    is_new: bool,
}

impl Stream {
    /// A stream over a fresh connection.
    pub fn new(channel: Channel, settings: target::Stream) -> Stream {
        Stream {
            channel,
            settings,
            output: Vec::new(),
            written: 0,
            put_total: 0,
            unconfirmed: VecDeque::new(),
            confirmed: VecDeque::new(),
            is_new: true,
        }
    }

    fn write(&mut self) -> Result<(), Broken> {
        self.channel.flush().map_err(|error| Broken::new(reason(&error)))?;
        while self.written < self.output.len() {
            match self.channel.write(&self.output[self.written..]) {
                Ok(len) => self.written += len,
                Err(error) if would_wait(&error) => return Ok(()),
                Err(error) => return Err(Broken::new(reason(&error))),
            }
        }
        self.output.clear();
        self.written = 0;
        Ok(())
    }

    /// The peer sends nothing, but it may close the connection.
    fn look_for_end(&mut self) -> Result<(), Broken> {
        let mut ignored = [0; 4096];
        loop {
            match self.channel.read(&mut ignored) {
                Ok(0) => return Err(Broken::new("the receiver closed the connection")),
                Ok(_) => {}
                Err(error) if would_wait(&error) => return Ok(()),
                Err(error) => return Err(Broken::new(reason(&error))),
            }
        }
    }

    /// Moves on what the kernel of the peer has confirmed.
    fn confirm(&mut self, outcomes: &mut Vec<Outcome>) -> Result<(), Broken> {
        if !self.unconfirmed.is_empty() {
            let confirmed_total = self.channel.confirmed();
            let confirmed_total = confirmed_total.map_err(|error| Broken::new(reason(&error)))?;
            let now = Instant::now();
            while let Some(&(id, end)) = self.unconfirmed.front()
                && end <= confirmed_total
            {
                self.unconfirmed.pop_front();
                self.confirmed.push_back((id, now));
            }
        }
        let rewind = self.settings.rewind.unwrap_or_default();
        while let Some(&(id, since)) = self.confirmed.front()
            && since.elapsed() >= rewind
        {
            self.confirmed.pop_front();
            outcomes.push(Outcome::Delivered(id));
        }
        Ok(())
    }
}

impl Transport for Stream {
    fn room(&self) -> usize {
        let on_their_way = self.unconfirmed.len() + self.confirmed.len();
        match self.output.len() < OUTPUT_LEN_MAX {
            true => UNCONFIRMED_MAX.saturating_sub(on_their_way),
            false => 0,
        }
    }

    fn send(&mut self, id: u64, message: &[u8]) {
        let before = self.output.len();
        append_framed(self.settings.framing, message, &mut self.output);
        self.put_total += (self.output.len() - before) as u64;
        self.unconfirmed.push_back((id, self.put_total));
    }

    fn fds(&self) -> [Option<(BorrowedFd<'_>, Interest)>; FDS_MAX] {
        [Some(self.channel.interest(!self.output.is_empty())), None]
    }

    fn deadline(&self) -> Option<Instant> {
        let rewind = self.settings.rewind.unwrap_or_default();
        let confirmed = self.confirmed.front().map(|(_, since)| *since + rewind);
        let unconfirmed = (!self.unconfirmed.is_empty()).then(|| Instant::now() + LOOK_AGAIN);
        let tls = [self.channel.handshake_deadline(), self.channel.accepted_at()];
        confirmed.into_iter().chain(unconfirmed).chain(tls.into_iter().flatten()).min()
    }

    fn advance(&mut self, outcomes: &mut Vec<Outcome>) -> Result<(), Broken> {
        self.write()?;
        // What the kernel confirmed last before the peer closed may not have been read: it is sent again.
        self.look_for_end()?;
        self.channel.check_time()?;
        if self.is_new && self.channel.is_accepted() {
            self.is_new = false;
            outcomes.push(Outcome::Opened);
        }
        self.confirm(outcomes)
    }

    fn close(&mut self) {
        // What the socket does not take now was not confirmed, and is sent at the next start.
        let _ = self.write();
        let _ = self.channel.end();
    }
}
