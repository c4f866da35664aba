//! What the programs are fed: always the same bytes, made here.

use logdir::label::{Label, STAMP_LEN};
use std::io::Write;

/// A megabyte, as throughput is counted.
pub const MEGABYTE: usize = 1_000_000;
/// Distinct lines are made for so many bytes, then come again. They stay in the feeder's cache, so that
/// feeding takes as little as it can from the program that is measured.
const BLOCK_LEN: usize = 4 * MEGABYTE;
/// Lines with stamps of their own, none of which comes again.
const STAMPED_COUNT: usize = 1_300_000;
/// A busy mail server: three lines a second.
const STAMPED_STEP_NANOS: u64 = 333_333_333;
const STAMPED_START_SECS: u64 = 1_700_000_000;
const NANOS_PER_SEC: u64 = 1_000_000_000;

/// One input: a block, and how often it is fed.
#[derive(Debug)]
pub struct Input {
    pub block: Vec<u8>,
    pub times: usize,
}

impl Input {
    /// What qmail-send writes, 80 bytes a line on average.
    pub fn mail(megabytes: usize) -> Input {
        Input::repeated(&mail_block(), megabytes)
    }

    /// Lines of `len` bytes, newline included.
    pub fn of_length(len: usize, megabytes: usize) -> Input {
        let mut random = Random(1);
        let letter = |_| b'a' + random.below(26) as u8;
        let mut block: Vec<u8> = (0..BLOCK_LEN / len * len).map(letter).collect();
        block.iter_mut().skip(len - 1).step_by(len).for_each(|byte| *byte = b'\n');
        Input::repeated(&block, megabytes)
    }

    /// A log of five days to be read by tai64nlocal.
    pub fn stamped() -> Input {
        Input { block: stamped_lines().take(STAMPED_COUNT).flatten().collect(), times: 1 }
    }

    pub fn len(&self) -> usize {
        self.block.len() * self.times
    }

    /// Feeds all of it.
    pub fn feed(&self, mut to: impl Write) -> std::io::Result<()> {
        (0..self.times).try_for_each(|_| to.write_all(&self.block))
    }

    fn repeated(block: &[u8], megabytes: usize) -> Input {
        let wanted = megabytes * MEGABYTE;
        let times = wanted.div_ceil(block.len());
        // Small inputs are one block, cut at a line end.
        let cut = &block[..wanted.div_ceil(times).min(block.len())];
        let end = cut.iter().rposition(|&byte| byte == b'\n').map_or(cut.len(), |at| at + 1);
        Input { block: cut[..end].to_vec(), times }
    }
}

/// Lines of a busy mail server with stamps of their own, without an end.
pub fn stamped_lines() -> impl Iterator<Item = Vec<u8>> {
    let text = mail_block();
    let lines: Vec<Vec<u8>> =
        text.split_inclusive(|&byte| byte == b'\n').map(<[u8]>::to_vec).collect();
    (0..).map(move |position: u64| {
        let nanos = position * STAMPED_STEP_NANOS;
        let secs = STAMPED_START_SECS + nanos / NANOS_PER_SEC;
        let label = Label::from_unix(secs as i64, (nanos % NANOS_PER_SEC) as u32);
        let mut line = Vec::with_capacity(STAMP_LEN + 90);
        line.extend_from_slice(&label.format());
        line.push(b' ');
        line.extend_from_slice(&lines[position as usize % lines.len()]);
        line
    })
}

/// Numbers that look random and are the same in every run.
pub struct Random(pub u64);

impl Random {
    pub fn below(&mut self, end: u64) -> u64 {
        self.0 =
            self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % end
    }
}

/// Whole messages of a mailing list, with what goes wrong now and then.
fn mail_block() -> Vec<u8> {
    let mut random = Random(7);
    let mut block = Vec::with_capacity(BLOCK_LEN + 4096);
    let (mut message, mut delivery) = (524_288, 1_000);
    while block.len() < BLOCK_LEN {
        message += 1 + random.below(9);
        delivery = write_message(&mut block, &mut random, message, delivery)
            .expect("a vector takes everything");
    }
    block
}

/// The lines of one message; returns the number of the next delivery.
fn write_message(
    to: &mut Vec<u8>,
    random: &mut Random,
    message: u64,
    first_delivery: u64,
) -> std::io::Result<u64> {
    let bytes = 800 + random.below(90_000);
    let user = random.below(50_000);
    let process = 2_000 + random.below(30_000);
    writeln!(to, "new msg {message}")?;
    writeln!(
        to,
        "info msg {message}: bytes {bytes} from <list-return-{user}-member{user}=example.net\
         @lists.example.org> qp {process} uid 7791"
    )?;
    let next_delivery = first_delivery + 2 + random.below(3);
    for delivery in first_delivery..next_delivery {
        let (name, host, used) = (random.below(50_000), random.below(200), random.below(20));
        writeln!(
            to,
            "starting delivery {delivery}: msg {message} to remote \
             member{name}.of.the.committee@mail{host}.newsletters.example.net"
        )?;
        writeln!(to, "status: local 0/10 remote {}/20", used + 1)?;
        write!(to, "delivery {delivery}: ")?;
        match random.below(40) {
            0 => writeln!(to, "deferral: Sorry,_I_wasn't_able_to_establish_an_SMTP_connection./")?,
            1 => writeln!(
                to,
                "failure: 192.0.2.{host}_does_not_like_recipient./\
                 Remote_host_said:_550_5.1.1_no_such_user/"
            )?,
            _ => writeln!(
                to,
                "success: 192.0.2.{host}_accepted_message./Remote_host_said:_250_2.0.0_OK_\
                 {message:x}_d2e1a72fcca58-7a3f5e8c{name:08x}si{delivery}ejc.{host}_-_gsmtp_\
                 (queued_as_{user:x}_on_mx{host}.example.net)/"
            )?,
        }
        writeln!(to, "status: local 0/10 remote {used}/20")?;
    }
    if random.below(50) == 0 {
        writeln!(
            to,
            "warning: trouble opening remote/{}/{message}; will try again later",
            message % 23
        )?;
    }
    writeln!(to, "end msg {message}")?;
    Ok(next_delivery)
}
