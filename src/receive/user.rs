//! `--user`: the account that the program runs as, once its sockets are open.

use nix::unistd::{Gid, Group, Uid, User, geteuid, initgroups, setgid, setgroups, setuid};
use std::ffi::CString;

/// An account of this machine, by name or number.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Account {
    uid: Uid,
    gid: Gid,
    /// Its name, if its further groups are wanted too: no group was named.
    with_groups_of: Option<CString>,
}

impl Account {
    /// Parses `USER`, `USER:GROUP`, `UID:GID`.
    ///
    /// # Errors
    /// A text for the user that says which account or group does not exist.
    pub fn parse(text: &str) -> Result<Account, String> {
        let (user, group) = match text.split_once(':') {
            Some((user, group)) => (user, Some(group)),
            None => (text, None),
        };
        let found = match user.parse() {
            Ok(number) => User::from_uid(Uid::from_raw(number)),
            Err(_) => User::from_name(user),
        };
        let found = found.map_err(|errno| format!("unable to look up {user}: {}", errno.desc()))?;
        let uid = found.as_ref().map(|user| user.uid);
        let uid = uid.or_else(|| user.parse().ok().map(Uid::from_raw));
        let uid = uid.ok_or_else(|| format!("there is no account {user}"))?;
        let Some(group) = group else {
            let found = found.ok_or_else(|| {
                format!("there is no account {user}: name its group too, as {user}:GROUP")
            })?;
            let name = CString::new(found.name).ok();
            return Ok(Account { uid, gid: found.gid, with_groups_of: name });
        };
        Ok(Account { uid, gid: group_id(group)?, with_groups_of: None })
    }

    /// Becomes this account for good, groups first.
    ///
    /// # Errors
    /// A text that says what could not be done, and why.
    pub fn become_it(&self) -> Result<(), String> {
        let failure = |what: &str, errno: nix::errno::Errno| {
            format!("unable to {what} of --user {}:{}: {}", self.uid, self.gid, errno.desc())
        };
        let groups = match &self.with_groups_of {
            Some(name) => initgroups(name, self.gid),
            None => setgroups(&[self.gid]),
        };
        groups.map_err(|errno| failure("set the groups", errno))?;
        setgid(self.gid).map_err(|errno| failure("set the group", errno))?;
        setuid(self.uid).map_err(|errno| failure("set the account", errno))?;
        let is_root_again = !self.uid.is_root() && setuid(Uid::from_raw(0)).is_ok();
        assert!(!is_root_again && geteuid() == self.uid, "root was not given up");
        Ok(())
    }
}

fn group_id(group: &str) -> Result<Gid, String> {
    if let Ok(number) = group.parse() {
        return Ok(Gid::from_raw(number));
    }
    let found = Group::from_name(group);
    let found = found.map_err(|errno| format!("unable to look up {group}: {}", errno.desc()))?;
    found.map(|group| group.gid).ok_or_else(|| format!("there is no group {group}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn accounts_are_names_or_numbers() {
        let root = Account::parse("root").expect("an account");
        assert_eq!((root.uid.as_raw(), root.gid.as_raw()), (0, 0));
        assert!(root.with_groups_of.is_some());
        let numbers = Account::parse("4711:4712").expect("numbers");
        assert_eq!((numbers.uid.as_raw(), numbers.gid.as_raw()), (4711, 4712));
        for (text, why) in [
            ("no-such-account", "there is no account no-such-account"),
            ("3999999999", "name its group too"),
            ("root:no-such-group", "there is no group no-such-group"),
            ("", "there is no account"),
        ] {
            let found = Account::parse(text).expect_err(text);
            assert!(found.contains(why), "{found}");
        }
    }
}
