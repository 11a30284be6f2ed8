//! What a user can do with a store: one operation a file, `XOptions` in, `XOutcome` out.
