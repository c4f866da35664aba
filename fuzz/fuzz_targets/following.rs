//! A directory is followed while it is written, rotated and cut down, and the reader is started again from
//! its cursor: every line once and in order, but those that were removed. Any text is a cursor or refused.
#![no_main]

#[path = "../real_dir.rs"]
#[allow(dead_code)]
mod real_dir;

use libfuzzer_sys::fuzz_target;
use logdir::{Cursor, Follow, Start};
use real_dir::Home;
use std::fs::{self, File};
use std::io::Write;
use std::path::Path;

fuzz_target!(|input: &[u8]| {
    let end = input.iter().position(|&byte| byte == 0xff).unwrap_or(input.len());
    let (text, steps) = (String::from_utf8_lossy(&input[..end]), &input[end..]);
    let cursor = Cursor::parse(&text);
    if let Some(cursor) = &cursor {
        assert_eq!(Cursor::parse(&cursor.to_string()).as_ref(), Some(cursor));
    }
    let home = Home::new();
    let path = home.path("main");
    let mut world = World::new(&path);
    let mut follow = world.follow(&Start::Oldest);
    for step in steps.iter().take(64) {
        match step % 8 {
            0..3 => world.write(step / 8),
            3 => world.rotate(),
            4 => world.remove(),
            5 | 6 => world.look(&mut follow),
            _ => {
                world.look(&mut follow);
                let cursor = follow.cursor();
                drop(follow);
                follow = world.follow(&Start::After(cursor));
            }
        }
    }
    world.look(&mut follow);
    world.check();
    if let Some(cursor) = cursor {
        // One of another directory, or of a file that is gone.
        world.shown.clear();
        world.look(&mut world.follow(&Start::After(cursor)));
        assert!(world.shown.is_sorted());
    }
});

struct World<'a> {
    path: &'a Path,
    written: u32,
    archives: Vec<String>,
    rotations: u32,
    has_removed: bool,
    shown: Vec<u32>,
}

impl World<'_> {
    fn new(path: &Path) -> World<'_> {
        fs::create_dir(path).expect("a directory");
        File::create(path.join("current")).expect("a file");
        World {
            path,
            written: 0,
            archives: Vec::new(),
            rotations: 0,
            has_removed: false,
            shown: Vec::new(),
        }
    }

    fn follow(&self, start: &Start) -> Follow {
        Follow::open([self.path], start, None).expect("it opens")
    }

    fn write(&mut self, count: u8) {
        let mut current = File::options().append(true).open(self.path.join("current")).expect("it");
        for _ in 0..=count {
            self.written += 1;
            writeln!(current, "@4000000065{:06x}00000000 {}", self.written, self.written)
                .expect("room");
        }
    }

    fn rotate(&mut self) {
        self.rotations += 1;
        let name = format!("@4000000065{:06x}{:08x}.s", self.written, self.rotations);
        fs::rename(self.path.join("current"), self.path.join(&name)).expect("a name");
        File::create(self.path.join("current")).expect("a file");
        self.archives.push(name);
    }

    fn remove(&mut self) {
        if !self.archives.is_empty() {
            fs::remove_file(self.path.join(self.archives.remove(0))).expect("to be removed");
            self.has_removed = true;
        }
    }

    fn look(&mut self, follow: &mut Follow) {
        follow.look_at_all();
        while let Some(delivery) = follow.next() {
            let text = String::from_utf8_lossy(delivery.line.bytes);
            self.shown.push(
                text.rsplit(' ').next().and_then(|word| word.parse().ok()).expect("a number"),
            );
            let ticket = delivery.ticket;
            follow.ack(ticket);
        }
    }

    fn check(&self) {
        assert!(self.shown.is_sorted_by(|one, other| one < other), "{:?}", self.shown);
        assert!(self.has_removed || self.shown.iter().copied().eq(1..=self.written));
    }
}
