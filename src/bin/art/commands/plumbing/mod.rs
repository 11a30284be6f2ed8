//! Commands for scripts: silent, everything from their arguments, output that stays as it is.

pub(crate) mod cat_object;
pub(crate) mod count_objects;
pub(crate) mod hash_object;
pub(crate) mod list_packs;
pub(crate) mod ls_tree;
pub(crate) mod rev_parse;
pub(crate) mod serve_store;
pub(crate) mod show_ref;
pub(crate) mod verify_pack;
