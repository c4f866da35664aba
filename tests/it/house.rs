//! The rules of the house that no compiler checks: what library crates must not do, what they may depend on,
//! that imports go one way, and how a comment must not begin.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// The crates below the programs.
const LIBRARIES: [&str; 4] =
    ["crates/kinds/src", "crates/logdir/src", "crates/script/src", "crates/wire/src"];
/// Files of the programs.
const PROGRAMS: &str = "src";

/// Crates whose types no user of `logdir` meets.
const OTHER_CRATES: [&str; 3] = ["nix", "libc", "tai64"];

/// Circles of imports that are meant: the files, and why no other shape is better.
const MEANT_CIRCLES: [(&[&str], &str); 4] = [
    (
        &["write::replaced", "write::rotate"],
        "a replaced current is rotated away, and a rotation looks for a replaced current first",
    ),
    (
        &["write::archives", "write::locked_dir", "write::processor"],
        "an open directory owns its archives and its processors, and both work on the open directory",
    ),
    (&["read::separator", "read::stamp"], "what parts stamp and text belongs to the stamp"),
    (
        &["action", "settings"],
        "an action holds its settings, and settings say which actions they are for",
    ),
];

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// The Rust files below a folder, by the path of their module.
fn modules(folder: &str) -> BTreeMap<String, PathBuf> {
    let folder = root().join(folder);
    let pattern = folder.join("**/*.rs").display().to_string();
    let files = glob::glob(&pattern).expect("a good pattern").flatten();
    let module = |file: &Path| {
        let inside = file.strip_prefix(&folder).expect("a file of the folder").with_extension("");
        inside.display().to_string().replace('/', "::")
    };
    files.map(|file| (module(&file), file)).collect()
}

/// The product's part of a file: unit tests stand at its end.
fn product(file: &Path) -> String {
    let text = fs::read_to_string(file).expect("a source");
    text.split("#[cfg(test)]\nmod tests").next().unwrap_or_default().to_owned()
}

#[test]
fn library_crates_print_nothing_and_start_nothing() {
    let forbidden = [
        "println!",
        "print!(",
        "eprint",
        "dbg!(",
        "io::stdout",
        "io::stderr",
        "process::exit",
        "init_array",
    ];
    let mut count = 0;
    for file in LIBRARIES.into_iter().flat_map(modules).map(|(_, file)| file) {
        count += 1;
        let text = product(&file);
        let code = text.lines().filter(|line| !line.trim_start().starts_with("//"));
        for (line, word) in code.flat_map(|line| forbidden.map(|word| (line, word))) {
            assert!(!line.contains(word), "{} has {word}: {line}", file.display());
        }
    }
    assert!(count > 50, "{count} files were found");
}

/// A processor is a child process; nothing else in a library starts one.
#[test]
fn processes_are_started_in_one_place_of_the_library() {
    for (module, file) in LIBRARIES.into_iter().flat_map(modules) {
        let is_the_place = ["sys::spawn", "write::processor", "disk::either"].contains(&&*module);
        let starts = product(&file).contains("process::Command");
        assert!(is_the_place || !starts, "{} starts a process", file.display());
    }
}

#[track_caller]
fn check_dependencies(package: &str, forbidden: &[&str]) {
    let tree = Command::new(env!("CARGO"))
        .args(["tree", "--offline", "--locked", "--edges", "normal", "--prefix", "none"])
        .args(["--package", package])
        .current_dir(root())
        .output()
        .expect("cargo runs");
    let text = String::from_utf8_lossy(&tree.stdout);
    assert!(text.starts_with(package), "{}", String::from_utf8_lossy(&tree.stderr));
    let names: BTreeSet<&str> = text.lines().filter_map(|line| line.split(' ').next()).collect();
    for name in forbidden {
        assert!(!names.contains(name), "{package} needs {name}:\n{text}");
    }
}

#[test]
fn dependencies_go_one_way() {
    check_dependencies("script", &["nix", "libc", "logdir", "wire", "multilog"]);
    check_dependencies("wire", &["nix", "libc", "logdir", "script", "multilog"]);
    check_dependencies("logdir", &["kinds", "script", "wire", "multilog"]);
    check_dependencies("multilog", &["async-nats", "rdkafka", "rskafka", "tokio"]);
    check_dependencies("kinds", &["nix", "libc", "logdir", "script", "wire", "multilog"]);
}

/// The modules that a file names after `use`, or in its code.
fn imports(module: &str, text: &str, known: &BTreeMap<String, PathBuf>) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    let mut add = |path: &str| {
        let mut path = path;
        loop {
            if known.contains_key(path) {
                found.insert(path.to_owned());
                return;
            }
            let Some((shorter, _)) = path.rsplit_once("::") else { return };
            path = shorter;
        }
    };
    let word = |text: &str| -> String {
        let is_path = |byte: &char| byte.is_ascii_alphanumeric() || "_:".contains(*byte);
        text.chars().take_while(is_path).collect()
    };
    for rest in text.split("crate::").skip(1) {
        add(&word(rest));
    }
    if let Some((parent, _)) = module.rsplit_once("::") {
        for rest in text.split("super::").skip(1) {
            add(&format!("{parent}::{}", word(rest)));
        }
    }
    found.remove(module);
    found
}

/// The files that can be reached from a file by imports.
fn reached<'a>(
    start: &'a str,
    imports: &'a BTreeMap<String, BTreeSet<String>>,
) -> BTreeSet<&'a str> {
    let mut reached = BTreeSet::new();
    let mut open = vec![start];
    while let Some(module) = open.pop() {
        for next in imports.get(module).into_iter().flatten() {
            if reached.insert(next.as_str()) {
                open.push(next);
            }
        }
    }
    reached
}

#[test]
fn no_imports_go_in_a_circle_but_those_that_are_meant() {
    for folder in LIBRARIES.into_iter().chain([PROGRAMS]) {
        let known = modules(folder);
        let imports: BTreeMap<String, BTreeSet<String>> = known
            .iter()
            .map(|(module, file)| (module.clone(), imports(module, &product(file), &known)))
            .collect();
        for module in known.keys().filter(|module| *module != "lib") {
            if !reached(module, &imports).contains(module.as_str()) {
                continue;
            }
            let is_meant = MEANT_CIRCLES.iter().any(|(files, _)| files.contains(&module.as_str()));
            assert!(is_meant, "imports lead from {folder}/{module} back to it");
        }
    }
}

/// Such a comment cannot be understood without the one before it.
/// Names that a source imports from other crates.
fn foreign_names(text: &str) -> BTreeSet<&str> {
    let import = |line: &'_ str| {
        let (krate, names) = line.strip_prefix("use ")?.split_once("::")?;
        OTHER_CRATES.contains(&krate).then_some(names.len())
    };
    let foreign = text.lines().filter_map(|line| Some(&line[line.len() - import(line)?..]));
    foreign
        .flat_map(|names| names.split(|c: char| !c.is_alphanumeric() && c != '_'))
        .filter(|name| !name.is_empty())
        .collect()
}

/// Public signatures and fields of a source: from `pub ` to what opens or ends the item.
fn public_signatures(text: &str) -> impl Iterator<Item = &str> {
    let starts = text.match_indices("pub ").map(|(pos, _)| &text[pos..]);
    starts.map(|rest| rest.split(['{', ';']).next().unwrap_or_default())
}

#[test]
fn the_public_library_names_no_type_of_another_crate() {
    let library = fs::read_to_string(root().join("crates/logdir/src/lib.rs")).expect("a source");
    let modules = library.lines().filter_map(|line| {
        let (module, _) = line.strip_prefix("pub use ")?.rsplit_once("::")?;
        Some(module.replace("::", "/"))
    });
    // A failure is a part of events and errors.
    let modules: Vec<String> = modules.chain(["failure".to_owned()]).collect();
    assert!(modules.len() > 5, "{modules:?}");
    for module in modules {
        let file = root().join(format!("crates/logdir/src/{module}.rs"));
        let text = product(&file);
        let foreign = foreign_names(&text);
        for signature in public_signatures(&text) {
            let mut words = signature.split(|c: char| !c.is_alphanumeric() && c != '_');
            let word = words.find(|word| OTHER_CRATES.contains(word) || foreign.contains(word));
            assert_eq!(word, None, "{}: {signature}", file.display());
        }
    }
}

#[test]
fn no_comment_begins_with_something_unsaid() {
    let unsaid = ["The same", "That of", "Those of", "Whoever", "None where"];
    for file in LIBRARIES.into_iter().chain([PROGRAMS]).flat_map(modules).map(|(_, file)| file) {
        let text = fs::read_to_string(&file).expect("a source");
        let mut was_comment = false;
        for line in text.lines() {
            let comment = line
                .trim_start()
                .strip_prefix("//")
                .map(|rest| rest.trim_start_matches(['/', '!']).trim_start());
            if let Some(comment) = comment.filter(|_| !was_comment) {
                let begin = unsaid.into_iter().find(|begin| comment.starts_with(begin));
                assert!(begin.is_none(), "{}: {comment}", file.display());
            }
            was_comment = comment.is_some();
        }
    }
}
