//! The examples of multilog(8), as they stand there.

const MANUAL: &str = include_str!("../../docs/multilog.8");

/// An item of a list: its tag as it is in the source, and the example in it.
pub struct Item {
    pub tag: &'static str,
    pub example: Option<String>,
}

/// A line of the source as it is shown.
fn shown(line: &str) -> String {
    line.replace("\\(aq", "'").replace("\\e", "\\")
}

fn section(name: &str) -> &'static str {
    let (_, rest) = MANUAL.split_once(&format!("\n{name}\n")).expect("a section");
    let end = ["\n.Ss ", "\n.Sh "].into_iter().filter_map(|next| rest.find(next)).min();
    &rest[..end.unwrap_or(rest.len())]
}

/// The items of the lists of actions and settings.
pub fn items() -> Vec<Item> {
    let lists = [section(".Ss Actions"), section(".Ss Settings of directories")];
    let texts = lists.into_iter().flat_map(|list| list.split("\n.It ").skip(1));
    let item = |text: &'static str| {
        let (text, _) = text.split_once("\n.El").unwrap_or((text, ""));
        let example = text.lines().find_map(|line| line.strip_prefix(".Dl multilog "));
        Item { tag: text.lines().next().unwrap_or_default(), example: example.map(shown) }
    };
    texts.map(item).collect()
}

/// Every example of one line, without `multilog`.
pub fn examples() -> Vec<String> {
    MANUAL.lines().filter_map(|line| line.strip_prefix(".Dl multilog ")).map(shown).collect()
}

/// The blocks under EXAMPLES.
pub fn blocks() -> Vec<String> {
    let texts = section(".Sh EXAMPLES").split("\n.Bd -literal -offset indent\n").skip(1);
    texts.map(|text| shown(text.split("\n.Ed").next().unwrap_or_default())).collect()
}

/// The arguments of an example of one line, which has to stand in the manual.
#[track_caller]
pub fn example(script: &str) -> Vec<&str> {
    assert!(examples().iter().any(|example| example == script), "not in the manual: {script}");
    script.split(' ').map(|argument| argument.trim_matches('\'')).collect()
}
