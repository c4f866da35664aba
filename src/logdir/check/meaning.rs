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
    what: "the logger reports a failure that lasts",
    means: "It runs, and retries until it succeeds. Lines are held in memory. When the \
             memory is full, the service waits, or lines are dropped if the logger is \
             configured to drop them.",
    todo: "Remove the cause: free disk space, or repair the processor. The logger then \
             continues by itself.",
};

const CRASHED: Meaning = Meaning {
    word: "crashed",
    what: "the logger was killed and has not been started again",
    means: "No process holds the lock, and current is not marked as complete. Lines that \
             were written are here. Lines that the logger had read but not yet written are \
             lost.",
    todo: "Find out why it stopped, and start it again. It renames current to an archive \
             that ends in .u, and continues with a new file.",
};

const MARKED_TOO_EARLY: Meaning = Meaning {
    word: "marked-too-early",
    what: "current is marked as complete while a logger writes to it",
    means: "The owner's execute bit means that a file was closed cleanly. After a crash \
             nobody could see that the last line may be torn.",
    todo: "Run chmod u-x current, and stop the program that sets modes in this directory.",
};

const UNMARKED: Meaning = Meaning {
    word: "unmarked",
    what: "archives named .s are not marked as complete",
    means: "A logger sets the owner's execute bit when a file is on disk, and then names the \
             file. Another program changed the mode, or copied the file.",
    todo: "Nothing, if the files are good: readers use the name. chmod u+x sets the mode \
             that the logger sets.",
};

const MARKED_WITHIN_LINE: Meaning = Meaning {
    word: "marked-within-line",
    what: "the last line has no end, but its file is marked as complete",
    means: "A logger that exits cleanly ends its last line. The mark was set by hand, or the \
             file was truncated.",
    todo: "Add a newline to current, then start the logger. Without the newline the logger \
             appends its first line to this line.",
};

const LEFT_OVER: Meaning = Meaning {
    word: "left-over",
    what: "files of a rotation that no logger continues",
    means: "The logger was killed during a rotation. previous has lines that are in no \
             archive yet. processed and names that end in .t are copies that are made again; \
             newstate is the state that a processor wanted to save.",
    todo: "Start the logger: it completes the rotation. Debian's multilog does not if \
             current is marked as complete, and overwrites previous at its next rotation: \
             before you start it, rename previous to a label of its time with the ending .u.",
};

const TWO_COPIES: Meaning = Meaning {
    word: "two-copies",
    what: "archives that exist twice",
    means: "A program compresses archives and was interrupted, or keeps the originals. \
             Loggers count both copies, so only half as much history is kept. Readers read \
             the original.",
    todo: "Remove the copy, or remove the original if the copy is complete (gzip -t).",
};

const NO_ARCHIVE: Meaning = Meaning {
    word: "no-archive",
    what: "names that count as archives but are no archives",
    means: "multilog counts every name that begins with @ and has at least 25 bytes, and \
             removes the name that sorts first. These files therefore push out archives, or \
             are removed themselves. Readers ignore them.",
    todo: "Move them out of the directory.",
};

const NO_FILE: Meaning = Meaning {
    word: "no-file",
    what: "names of the logger that are no regular files",
    means: "A directory, link or device has the name of a file. A logger may refuse to \
             start, or retry forever to remove it.",
    todo: "Move them out of the directory.",
};

const FOREIGN: Meaning = Meaning {
    word: "foreign",
    what: "names that belong to no logger",
    means: "Loggers neither count nor remove these files, so they stay until someone removes \
             them.",
    todo: "Move them out of the directory, unless you know their purpose.",
};

const OWNER: Meaning = Meaning {
    word: "owner",
    what: "files of different users",
    means: "A logger that runs as one user cannot open files of the other, and does not \
             start. The usual cause is a logger that was once run as root.",
    todo: "Run chown, so that all files belong to the user of the logger.",
};

const MODE: Meaning = Meaning {
    word: "mode",
    what: "modes that no logger sets",
    means: "Every user may change the log, or even its owner may not read it.",
    todo: "Run chmod o-w, or chmod u+r.",
};

const FUTURE: Meaning = Meaning {
    word: "future",
    what: "archives from the future",
    means: "The clock was ahead when they were named. multilog 0.76, s6-log and svlogd \
             remove the name that sorts first, so new archives are removed before these old \
             archives.",
    todo: "Set the clock, then rename the archives to the time of their last line.",
};

const EMPTY: Meaning = Meaning {
    word: "empty",
    what: "empty archives",
    means: "After a crash, multilog 0.76 creates an empty archive at each start. Empty \
             archives count, and push out archives with lines.",
    todo: "Remove them.",
};

const TORN: Meaning = Meaning {
    word: "torn",
    what: "lines without an end",
    means: "The logger was killed, or the machine stopped, while the line was written. The \
             rest of the line is lost.",
    todo: "Nothing. If it happens often, find out what kills the logger.",
};

const JOINED: Meaning = Meaning {
    word: "joined",
    what: "two lines in one",
    means: "A line was torn, and another line was appended to it; or two loggers wrote to \
             the same file.",
    todo: "Read them as two lines. Make sure that only one logger writes to this directory.",
};

const STAMPED_TWICE: Meaning = Meaning {
    word: "stamped-twice",
    what: "lines with two labels",
    means: "Both the logger and its input add labels. Readers use the first label.",
    todo: "Remove one of them: the action t of the logger, or tai64n before it.",
};

const STEP_BACK: Meaning = Meaning {
    word: "step-back",
    what: "stamps that are earlier than the stamp before",
    means: "The clock was set back, or lines of a logger that counts leap seconds follow: \
             stamps of s6-log are 27 seconds ahead of multilog's. Lines are in the order in \
             which they were written; use a wider time range to find them.",
    todo: "Adjust clocks slowly (chrony, ntpd), and use only one kind of logger in a \
             directory.",
};

const NAMED_TOO_EARLY: Meaning = Meaning {
    word: "named-too-early",
    what: "archives with lines later than their names",
    means: "The name is the time of the rotation. The clock was set back in between, so \
             archives may not sort in the order in which they were written, and the wrong \
             archive may be removed first.",
    todo: "Nothing, once the clock is right.",
};

const ZEROS: Meaning = Meaning {
    word: "zeros",
    what: "zeros instead of lines",
    means: "The power failed after the file system had extended the file and before it had \
             written the data. The lines at this place are lost.",
    todo: "The lines cannot be recovered. Mount with data=ordered, or use a logger that \
             syncs.",
};
