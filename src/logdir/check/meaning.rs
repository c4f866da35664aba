//! Explanations and advice for findings.

use ::logdir::read::examine::Kind;

#[derive(Debug)]
pub struct Meaning {
    /// Keyword for scripts.
    pub word: &'static str,
    /// Finding, in a sentence.
    pub what: &'static str,
    /// Usual cause and consequences.
    pub means: &'static str,
    /// Advice for administrators.
    pub todo: &'static str,
}

pub fn of(kind: Kind) -> &'static Meaning {
    match kind {
        Kind::Failing => &FAILING,
        Kind::Crashed => &CRASHED,
        Kind::MarkedTooEarly => &MARKED_TOO_EARLY,
        Kind::Unmarked => &UNMARKED,
        Kind::MarkedWithinLine => &MARKED_WITHIN_LINE,
        Kind::LeftOver => &LEFT_OVER,
        Kind::TwoCopies => &TWO_COPIES,
        Kind::NoArchive => &NO_ARCHIVE,
        Kind::NoFile => &NO_FILE,
        Kind::Foreign => &FOREIGN,
        Kind::Owner => &OWNER,
        Kind::Mode => &MODE,
        Kind::Future => &FUTURE,
        Kind::Empty => &EMPTY,
        Kind::Torn => &TORN,
        Kind::Joined => &JOINED,
        Kind::StampedTwice => &STAMPED_TWICE,
        Kind::StepBack => &STEP_BACK,
        Kind::NamedTooEarly => &NAMED_TOO_EARLY,
        Kind::Zeros => &ZEROS,
    }
}

const FAILING: Meaning = Meaning {
    word: "failing",
    what: "the writer fails",
    means: "It runs, and tries again until it succeeds. It holds lines in memory; when that is \
             full it stops reading, and the service waits, or lines are dropped if the \
             logger is set so.",
    todo: "Remove the reason: make room on the disk, mend the processor. Nothing else is needed.",
};

const CRASHED: Meaning = Meaning {
    word: "crashed",
    what: "the writer was interrupted",
    means: "Nobody has the lock, and current is not marked as whole. What was written is \
             there; what the writer had read and not written is lost.",
    todo: "Find out why it ended, and start it again. It names current with .u and goes on.",
};

const MARKED_TOO_EARLY: Meaning = Meaning {
    word: "marked-too-early",
    what: "current is marked as whole while it is written",
    means: "Its owner's execute bit says that it was ended in order. After a crash nobody \
             would see that its last line may be torn.",
    todo: "chmod u-x current, and stop whatever sets modes there.",
};

const UNMARKED: Meaning = Meaning {
    word: "unmarked",
    what: "archives named .s without the mark of a whole file",
    means: "A logger sets the owner's execute bit when a file is on disk, then names it. \
             Somebody changed the mode, or copied the file.",
    todo: "Nothing, if the files are good: readers go by the name. chmod u+x makes them as \
             the logger did.",
};

const MARKED_WITHIN_LINE: Meaning = Meaning {
    word: "marked-within-line",
    what: "the last line has no end though its file is marked as whole",
    means: "A writer that ends in order ends its last line. The mark was set by hand, or the \
             file was cut.",
    todo: "Start the logger, which would join its first line to this one, only after adding \
             a newline to current.",
};

const LEFT_OVER: Meaning = Meaning {
    word: "left-over",
    what: "files of a rotation that nobody goes on with",
    means: "The writer was interrupted while it finished a file. previous has lines that \
             stand in no archive yet; processed and names in .t are copies that are made \
             again; newstate is what a processor wanted to remember.",
    todo: "Start the logger, which puts them in order. Debian's multilog does not if \
             current is marked as whole, and overwrites previous at its next rotation: rename \
             previous to a name such as its time in a label with .u first.",
};

const TWO_COPIES: Meaning = Meaning {
    word: "two-copies",
    what: "archives that are there twice",
    means: "Somebody compresses archives, and was interrupted, or keeps the original. \
             Loggers count both, so half as much history is left. Readers read the original.",
    todo: "Remove the copy, or the original where the copy is whole (gzip -t).",
};

const NO_ARCHIVE: Meaning = Meaning {
    word: "no-archive",
    what: "names that count as archives and are none",
    means: "multilog counts every name that begins with @ and has 25 bytes, and removes the \
             one that sorts first. So these push out archives or are removed themselves; \
             readers pass them over.",
    todo: "Move them out of the directory.",
};

const NO_FILE: Meaning = Meaning {
    word: "no-file",
    what: "names of the logger that are no files",
    means: "A directory, link or device in the place of a file. A logger may refuse to \
             start, or try for ever to remove it.",
    todo: "Move them out of the directory.",
};

const FOREIGN: Meaning = Meaning {
    word: "foreign",
    what: "names that belong to no logger",
    means: "Loggers leave them alone, and so they stay for ever, uncounted.",
    todo: "Move them out of the directory, unless you know what they are for.",
};

const OWNER: Meaning = Meaning {
    word: "owner",
    what: "files of different users",
    means: "A logger that runs as one of them cannot open what belongs to the other, and \
             does not start. Usually somebody ran it as root once.",
    todo: "chown the files to the user of the logger.",
};

const MODE: Meaning = Meaning {
    word: "mode",
    what: "modes that no logger sets",
    means: "Anybody may change the log, or not even its owner may read it.",
    todo: "chmod o-w, or u+r.",
};

const FUTURE: Meaning = Meaning {
    word: "future",
    what: "archives from the future",
    means: "The clock was ahead when they were named. multilog 0.76, s6-log and svlogd \
             remove what sorts first, so that new archives go before these old ones.",
    todo: "Set the clock right, then rename them to the time of their last line.",
};

const EMPTY: Meaning = Meaning {
    word: "empty",
    what: "empty archives",
    means: "A crash of multilog 0.76 leaves one for each start that follows. They count, and \
             push out archives with lines.",
    todo: "Remove them.",
};

const TORN: Meaning = Meaning {
    word: "torn",
    what: "lines without an end",
    means: "The writer was killed, or the machine stopped, within the line. What stands \
             there is all that was written of it.",
    todo: "Nothing. If it happens often, find out what kills the logger.",
};

const JOINED: Meaning = Meaning {
    word: "joined",
    what: "two lines in one",
    means: "A line was torn, and another was appended to it; or two writers shared a file.",
    todo: "Read them as two. Make sure that nothing but one logger writes there.",
};

const STAMPED_TWICE: Meaning = Meaning {
    word: "stamped-twice",
    what: "lines with two labels",
    means: "Both the logger and what it reads from stamp them. Readers go by the first.",
    todo: "Leave out one: t of the logger, or tai64n in front of it.",
};

const STEP_BACK: Meaning = Meaning {
    word: "step-back",
    what: "stamps that step back",
    means: "The clock was set back, or lines of another counting follow: those of s6-log are \
             27 seconds ahead of multilog's. Lines stand in the order they were written; a \
             range of time may need a wider one.",
    todo: "Set clocks slowly (chrony, ntpd), and keep to one kind of logger in a directory.",
};

const NAMED_TOO_EARLY: Meaning = Meaning {
    word: "named-too-early",
    what: "archives that are named before their last lines",
    means: "The name is the time of finishing. The clock was set back in between, so \
             archives may not sort as they were written, and the wrong one is removed first.",
    todo: "Nothing, once the clock is right.",
};

const ZEROS: Meaning = Meaning {
    word: "zeros",
    what: "zeros in the place of lines",
    means: "The file system had given room to the file and not written it when the power \
             went away. What stood there is lost.",
    todo: "Nothing can be got back. Mount with data=ordered, or use a logger that syncs.",
};
