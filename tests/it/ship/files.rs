//! Raw files, followed by name.

use super::relp_server::{Behaviour, RelpServer};
use super::{Ship, check_numbers, wait_for_count};
use crate::support::{Home, numbers};
use std::fs::{self, OpenOptions};
use std::io::Write;

#[test]
fn a_file_is_followed_through_renames() {
    let home = Home::new();
    fs::write(home.path("raw"), numbers(1, 10)).expect("a file");
    let server = RelpServer::start(&[Behaviour::Good]);
    let ship = Ship::start(&home, &[&server.url(), "./raw"]);
    for round in 0..5 {
        let first = 10 * (round + 1) + 1;
        wait_for_count("the lines so far", usize::try_from(first - 1).expect("small"), || {
            server.count()
        });
        let mut old = OpenOptions::new().append(true).open(home.path("raw")).expect("the file");
        fs::rename(home.path("raw"), home.path(format!("raw.{round}"))).expect("renamed");
        // The writer hears of it late.
        old.write_all(&numbers(first, first + 4)).expect("written");
        fs::write(home.path("raw"), numbers(first + 5, first + 9)).expect("a new file");
    }
    wait_for_count("all lines", 60, || server.count());
    ship.end();
    assert_eq!(check_numbers(&server.stored(), 1, 60), 0);
}
