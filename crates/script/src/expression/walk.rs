//! Walks through a parsed expression with a flag such as `(?i)`, which holds to the end of its group.
//! What changes a part is the caller's.

use regex_syntax::ast::{Ast, ClassSet, ClassSetItem, Flags, GroupKind};

/// A change of an expression's parts, made where a flag is on.
pub trait Change {
    /// Reads the flag in a group of flags; keeps `is_on` if the group does not name it.
    fn take_flag(&self, flags: &mut Flags, is_on: &mut bool);
    /// Changes a part without parts of its own, or no part.
    fn change(&self, part: &mut Ast);
    /// Changes an item of a bracketed class that has no items of its own, or no item.
    fn change_item(&self, item: &mut ClassSetItem);
}

/// Changes the expression in place. `is_on` is the flag before, and afterwards as the expression left it.
pub fn walk(ast: &mut Ast, change: &impl Change, is_on: &mut bool) {
    match ast {
        Ast::Flags(set) => change.take_flag(&mut set.flags, is_on),
        Ast::Group(group) => {
            let before = *is_on;
            if let GroupKind::NonCapturing(flags) = &mut group.kind {
                change.take_flag(flags, is_on);
            }
            walk(&mut group.ast, change, is_on);
            *is_on = before;
        }
        Ast::Repetition(repetition) => walk(&mut repetition.ast, change, is_on),
        Ast::Alternation(parts) => {
            parts.asts.iter_mut().for_each(|part| walk(part, change, is_on));
        }
        Ast::Concat(parts) => parts.asts.iter_mut().for_each(|part| walk(part, change, is_on)),
        Ast::ClassBracketed(class) if *is_on => walk_set(&mut class.kind, change),
        part if *is_on => change.change(part),
        _ => {}
    }
}

fn walk_set(set: &mut ClassSet, change: &impl Change) {
    match set {
        ClassSet::Item(item) => walk_item(item, change),
        ClassSet::BinaryOp(operation) => {
            walk_set(&mut operation.lhs, change);
            walk_set(&mut operation.rhs, change);
        }
    }
}

fn walk_item(item: &mut ClassSetItem, change: &impl Change) {
    match item {
        ClassSetItem::Bracketed(class) => walk_set(&mut class.kind, change),
        ClassSetItem::Union(union) => {
            union.items.iter_mut().for_each(|item| walk_item(item, change));
        }
        item => change.change_item(item),
    }
}
