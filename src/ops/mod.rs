//! What a user can do with a store: one operation a file, `XOptions` in, `XOutcome` out.
pub mod alias;
mod blocks;
pub mod cat;
pub mod cat_object;
pub mod count_objects;
pub mod entry;
pub mod fsck;
pub mod hash_object;
pub mod ignore;
pub mod init;
pub mod log;
pub mod ls;
pub mod put;
pub mod restore;
pub mod show;
pub mod show_ref;
pub mod verify;
pub mod verify_pack;
